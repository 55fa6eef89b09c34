"""Is a server there, and is it one?"""

from __future__ import annotations

from hollama.cli.client import Client
from hollama.cli.doctor.finding import Finding
from hollama.cli.server_process import RUNNING
from hollama.errors import ClientError


def server_finding(client: Client) -> Finding:
    url = client.address.url
    said = client.answers()
    if said is None:
        return Finding(
            "Server", "warn", f"none answers at {url}", "`hollama serve` starts one; `hollama run` does so by itself"
        )
    if RUNNING not in said:
        advice = "stop that program, or choose another port: OLLAMA_HOST=127.0.0.1:11500"
        return Finding("Server", "fail", f"what answers at {url} is not Ollama", advice)
    try:
        return Finding("Server", "ok", f"answers at {url}, version {client.get('/api/version').get('version')}")
    except ClientError as error:
        return Finding("Server", "fail", f"answers at {url}, but {error}", "look into its log, and start it again")
