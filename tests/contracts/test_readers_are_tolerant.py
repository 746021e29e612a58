"""Readers ignore what they do not know, so that a writer may be a version ahead; agencies are read strictly."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from shared.bus.topics import AGENCY_SUBMISSIONS, SERVICES, TOPICS


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Find the models that an annotation names, and theirs."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for each in get_args(annotation):
        yield from models(each)


INTERNAL: set[type[BaseModel]] = {
    model
    for service in SERVICES
    for topic in TOPICS.topics_of(service)
    for data_type in topic.types
    for model in models(data_type)
}
AGENCYS: set[type[BaseModel]] = {model for data_type in AGENCY_SUBMISSIONS.types for model in models(data_type)}


@pytest.mark.parametrize("model", sorted(INTERNAL, key=str))
def test_unknown_fields_are_ignored_on_internal_topics(model: type[BaseModel]) -> None:
    assert model.model_config.get("extra", "ignore") == "ignore"


def test_unknown_fields_are_rejected_at_the_agencies_door() -> None:
    strict = {model.__name__ for model in AGENCYS if model.model_config.get("extra") == "forbid"}
    assert strict >= {"PackageV1", "Report", "Observation", "ExplanationV1"}
