"""What was measured of a model and its relatives, with the chart's frontier and the pick, as the wire tells it."""

from __future__ import annotations

from collections.abc import Sequence

from desktop import wire_models as wire
from models.measure.pareto import Point, frontier, pick
from models.measure.types import Answer, Measurement


def measurement_list(
    source_id: str, measured: Sequence[Measurement], answers: Sequence[Answer], largest_bytes: int | None
) -> wire.MeasurementList:
    """`largest_bytes` is the largest file that fits this machine; the pick is never above it."""
    points = [
        Point(one.model_id, one.quant, one.bytes, one.divergence.kl_divergence, one.model_id == source_id)
        for one in measured
        if one.divergence is not None
    ]
    chosen = pick(points, largest_bytes=largest_bytes)
    return wire.MeasurementList(
        source_id=source_id,
        measurements=[measurement_row(one) for one in measured],
        frontier=[point.id for point in frontier(points)],
        pick=wire.QuantPick(model_id=chosen.id, reason=chosen.reason) if chosen is not None else None,
        answers=[
            wire.PromptAnswer(
                model_id=answer.model_id,
                prompt=answer.prompt,
                answer=answer.answer,
                same_words=answer.same_words,
                measured_at=answer.measured_at,
            )
            for answer in answers
        ],
    )


def measurement_row(one: Measurement) -> wire.Measurement:
    """One model; what was not measured yet is null."""
    loss, speed, memory = one.divergence, one.speed, one.memory
    return wire.Measurement(
        model_id=one.model_id,
        source_id=one.source_id,
        quant=one.quant,
        bytes=one.bytes,
        kl_divergence=loss.kl_divergence if loss else None,
        kl_divergence_error=loss.kl_divergence_error if loss else None,
        kl_divergence_p99=loss.kl_divergence_p99 if loss else None,
        same_top_percent=loss.same_top_percent if loss else None,
        perplexity=loss.perplexity if loss else None,
        perplexity_error=loss.perplexity_error if loss else None,
        source_perplexity=loss.source_perplexity if loss else None,
        tokens_measured=one.tokens_measured,
        prompt_tokens_per_s=speed.prompt_tokens_per_s if speed else None,
        tokens_per_s=speed.tokens_per_s if speed else None,
        peak_bytes=memory.peak_bytes if memory else None,
        context=memory.context if memory else 0,
        machine=one.place.machine,
        engine=one.place.engine,
        text=one.text,
        measured_at=one.measured_at,
        state=one.state,
        error=one.error or one.stale,
    )
