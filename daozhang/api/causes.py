"""The causes that can be named: what each means, what every person does, and what would tell it from others."""

from starlette.responses import Response

from daozhang.api.problem import Problem
from daozhang.api.routes import Asked, Door, answer
from daozhang.flow import shelf


class CauseDoors:
    """The shelf of causes, for everybody: it is documentation."""

    def doors(self) -> list[Door]:
        return [
            Door("GET", "/v1/causes", self.list, "所有原因", "all causes", None, query=("party",)),
            Door("GET", "/v1/causes/{id}", self.get, "一个原因(编号或名字)", "one cause, by its id or number", None),
        ]

    async def list(self, asked: Asked) -> Response:
        party = asked.query("party")
        found = [row for row in shelf.pictures() if party in ("", row["party"])]
        return answer({"data": found, "has_more": False, "next_cursor": None})

    async def get(self, asked: Asked) -> Response:
        found = shelf.picture_of(asked.path("id"))
        if found is None:
            raise Problem("not_found")
        return answer(found)
