"""HTTP in: the catalogue's entities as of the newest release."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from services.catalogue.context import reader, snapshot_of
from services.catalogue.problems import not_found
from shared.access import Identity
from shared.catalogue.snapshot import Snapshot
from shared.events.base import EventData
from shared.text import Text

PAGE_MAX, PAGE = 2000, 500
Reader = Annotated[Identity, Depends(reader)]
Collection = Callable[[Snapshot], Mapping[str, Any]]

router = APIRouter(tags=["catalogue"])


def _add(path: str, kind: Text, collection: Collection) -> None:
    """Serve one kind of entity: all of it, page by page, and one by its code with its whole history."""

    async def list_entities(
        request: Request,
        _: Reader,
        after: Annotated[str | None, Query(description="the last code of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
    ) -> dict[str, Any]:
        snapshot = snapshot_of(request)
        live = {code: entity for code, entity in collection(snapshot).items() if entity.versions}
        codes = [code for code in sorted(live) if after is None or code > after]
        return {
            "release": snapshot.release,
            "items": [_body(live[code]) for code in codes[:limit]],
            "next": codes[limit - 1] if len(codes) > limit else None,
        }

    async def get_entity(request: Request, code: str, _: Reader) -> dict[str, Any]:
        snapshot = snapshot_of(request)
        entity = collection(snapshot).get(code)
        if entity is None or not entity.versions:
            raise not_found(kind, code)
        return {"release": snapshot.release, **_body(entity)}

    name = kind.en.replace(" ", "_")
    router.add_api_route(path, list_entities, methods=["GET"], name=f"list_{name}", summary=f"List: {kind.en}")
    router.add_api_route(
        path + "/{code:path}", get_entity, methods=["GET"], name=f"get_{name}", summary=f"Get one: {kind.en}"
    )


def _body(entity: EventData) -> dict[str, Any]:
    return entity.model_dump(mode="json")


_add("/v1/units", Text(vi="đơn vị", en="unit"), lambda snapshot: snapshot.units)
_add("/v1/forms", Text(vi="biểu", en="form"), lambda snapshot: snapshot.forms)
_add("/v1/indicators", Text(vi="chỉ tiêu", en="indicator"), lambda snapshot: snapshot.indicators)
_add("/v1/code-lists", Text(vi="bảng mã phân tổ", en="code list"), lambda snapshot: snapshot.code_lists)
_add("/v1/rules", Text(vi="quy tắc kiểm tra", en="rule"), lambda snapshot: snapshot.rules)
_add("/v1/obligations", Text(vi="nghĩa vụ báo cáo", en="obligation"), lambda snapshot: snapshot.obligations)
