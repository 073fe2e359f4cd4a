"""What finds, fetches, makes and measures models, made together: everything around the library that is no engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from desktop.paths import Paths
from desktop.service.hub_rows import Here
from desktop.service.hub_token import HubTokenKeeper
from desktop.service.model_facts import Jails
from desktop.service.store_reports import StoreReports
from desktop.settings import Settings, SettingsFile
from engine.fit import Wishes
from engine.fit_speed import SpeedStore
from engine.model_options import OptionsStore
from models.adapters.library import AdapterLibrary
from models.database import Database
from models.hub.client import Hub
from models.library import Library
from models.measure.store import Measurements
from models.network import Network, NetworkRules
from models.stores.hashes import FileHashes
from models.stores.merge import sweep
from models.stores.places import StorePlaces, find_places
from models.tokens import HubTokens

GIB = 1 << 30


@dataclass
class ModelTools:
    """The parts, each of which does one thing; the routes and the jobs put them together."""

    paths: Paths
    settings: SettingsFile
    environ: Mapping[str, str]
    library: Library
    network: Network
    tokens: HubTokens
    token_keeper: HubTokenKeeper
    hub: Hub
    options: OptionsStore
    hashes: FileHashes
    stores: StoreReports
    jail: Jails
    speeds: SpeedStore
    measurements: Measurements
    adapters: AdapterLibrary

    def __post_init__(self) -> None:
        self._rules = network_rules(self.settings.current)

    def network_changed(self) -> None:
        """Other rules may hold now: end the connections that were made under the old ones."""
        if (rules := network_rules(self.settings.current)) != self._rules:
            self._rules = rules
            self.hub.close()

    @property
    def measure_folder(self) -> Path:
        """Where a measurement keeps the logits of its source until it is done."""
        return self.paths.cache / "measure"

    async def here(self) -> Here:
        """What is on this machine already."""
        return Here(await self.library.list(), self.stores.found)

    async def adapter_path(self, adapter_id: str) -> Path:
        """Where an adapter lies. Raises ModelNotFound."""
        return (await self.adapters.get(adapter_id)).path

    def places(self) -> StorePlaces:
        """Where models may lie: other programs' stores, the user's folders, our own."""
        folders = [Path(folder) for folder in self.settings.current.model_folders.split(os.pathsep) if folder]
        return find_places(self.environ, Path.home(), folders, [self.paths.models])

    def floor_bytes(self, folder: Path) -> int:
        """What is to stay free on the disk of `folder`, as the settings say."""
        return disk_floor_bytes(self.settings.current, folder)


def usual_wishes(settings: Settings) -> Wishes:
    """What the settings ask for every model; 0 there means that the choice is left to the fit."""
    return Wishes(context=settings.context_limit or None, slots=settings.slots or None)


def network_rules(settings: Settings) -> NetworkRules:
    """The settings in the network's terms."""
    return NetworkRules(endpoint=settings.hub_endpoint, proxy=settings.proxy, air_gapped=settings.air_gapped)


def disk_floor_bytes(settings: Settings, folder: Path) -> int:
    """The floor of the settings in bytes, or 1 % of the disk if that is more; 0 means that there is none."""
    if not settings.disk_floor_gib:
        return 0
    info = os.statvfs(folder)
    return max(settings.disk_floor_gib * GIB, info.f_blocks * info.f_frsize // 100)


async def make_tools(
    *,
    paths: Paths,
    settings: SettingsFile,
    environ: Mapping[str, str],
    database: Database,
    library: Library,
    closing: AsyncExitStack,
) -> ModelTools:
    """Make the parts; nobody is asked for anything before they are used."""
    network = Network(lambda: network_rules(settings.current))
    tokens = HubTokens()
    hub = Hub(network, tokens.token)
    closing.callback(hub.close)
    stores = StoreReports(paths.cache / "stores.json")
    await stores.load()
    await asyncio.to_thread(sweep, stores.last.paths)  # names a killed merge left beside them
    measurements = Measurements(database)
    await measurements.interrupted()  # what a killed service was measuring
    return ModelTools(
        paths=paths,
        settings=settings,
        environ=environ,
        library=library,
        network=network,
        tokens=tokens,
        token_keeper=HubTokenKeeper(tokens, hub),
        hub=hub,
        options=OptionsStore(database),
        hashes=FileHashes(database),
        stores=stores,
        jail=Jails(),
        speeds=SpeedStore(database),
        measurements=measurements,
        adapters=AdapterLibrary(database),
    )
