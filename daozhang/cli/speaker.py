"""Speakers: the sound of an announcement."""

import click


@click.group()
def speaker() -> None:
    """云喇叭:试听 / speakers: sounds"""
