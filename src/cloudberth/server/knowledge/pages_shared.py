"""What the pages of a dataset share: its address, and its head with the tabs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Request
from fastapi.responses import Response

from cloudberth.knowledge.model import Dataset
from cloudberth.server.services import Here, Services

PATH = "/knowledge"
# Whatever else is in such an address is no dataset, and goes on to the other routes.
IDENTIFIER = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
HERE = f"{PATH}/{{dataset_id}}"


def dataset_of(here: Here, dataset_id: Annotated[str, Path()]) -> Dataset:
    """The dataset in the address. Raises NotFound."""
    return here.knowledge.service.dataset(dataset_id)


Chosen = Annotated[Dataset, Depends(dataset_of)]


def shown(
    request: Request,
    here: Services,
    template: str,
    dataset: Dataset,
    tab: str,
    *,
    status: int = 200,
    **values: Any,
) -> Response:
    """A page of a dataset. tab: the one that it is."""
    return here.pages.page(
        request,
        f"knowledge/{template}",
        status=status,
        dataset=dataset,
        tab=tab,
        base=f"{PATH}/{dataset.id}",
        **values,
    )
