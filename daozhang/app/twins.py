"""Where the sandbox's twins listen: found on the shelf, as places after the base port."""

from daozhang.channels.shelf import Shelf


def urls(base_port: int) -> dict[str, str]:
    """Each channel's address here, for ``state.json``."""
    return {
        channel.name: f"http://127.0.0.1:{base_port + channel.twin.PORT}{getattr(channel.twin, 'PATH', '')}"
        for channel in Shelf.look()
    }


def ports(base_port: int) -> list[int]:
    """Every port that a twin takes, in TLS as well."""
    twins = [channel.twin for channel in Shelf.look()]
    places = [twin.PORT for twin in twins] + [twin.TLS_PORT for twin in twins if hasattr(twin, "TLS_PORT")]
    return [base_port + place for place in places]
