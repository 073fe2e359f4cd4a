"""The built-in catalogue: families of open-weights models worth knowing, as data, and questions to it."""

from models.catalogue.families import BITS_PER_WEIGHT, Catalogue, CatalogueEntry, CatalogueFault, load_catalogue, parse
from models.catalogue.queries import by_task, for_desktops, of_family, up_to_bytes

__all__ = [
    "BITS_PER_WEIGHT",
    "Catalogue",
    "CatalogueEntry",
    "CatalogueFault",
    "by_task",
    "for_desktops",
    "load_catalogue",
    "of_family",
    "parse",
    "up_to_bytes",
]
