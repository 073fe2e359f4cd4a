"""What a quantization costs and gains, measured here: loss, speed, memory, answers; and which one to take."""
