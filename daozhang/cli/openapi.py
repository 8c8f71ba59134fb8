"""``daozhang openapi``: the API's document."""

import json

import click

from daozhang.cli.link import Link
from daozhang.cli.say import Talk, verb


@click.command()
@verb
def openapi(talk: Talk) -> None:
    """接口文档(OpenAPI 3.1)/ the API's document"""
    click.echo(json.dumps(Link(talk.data).must("GET", "/openapi.json"), ensure_ascii=False, indent=1))
