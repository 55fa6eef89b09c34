"""/v1/audio/transcriptions: what is wrong with a form is told, and that no model here can hear."""

import aiohttp
import pytest

from tests.server.server_desk import Desk

WRONG = [
    ({"file": b"RIFF"}, 400, "model is required"),
    ({"model": b"noise"}, 400, "file is required: http: no such file"),
    ({"model": b"noise", "file": b""}, 400, "audio file is empty"),
    ({"model": b"nobody", "file": b"RIFF"}, 404, "model 'nobody' not found"),
    ({"model": b"noise", "file": b"RIFF"}, 400, "registry.ollama.ai/library/noise:latest does not support audio"),
]


async def transcribed(desk: Desk, data: object, **headers: str) -> tuple[int, str]:
    url = desk.url + "/v1/audio/transcriptions"
    async with desk.http.post(url, data=data, headers=headers) as response:
        return response.status, (await response.json())["error"]["message"]


@pytest.mark.parametrize(("fields", "status", "text"), WRONG)
async def test_a_form_is_checked_in_ollamas_order(desk: Desk, fields: dict[str, bytes], status: int, text: str) -> None:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        form.add_field(name, value if name == "file" else value.decode(), filename="a.wav" if name == "file" else None)
    assert await transcribed(desk, form) == (status, text)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=x"])
async def test_what_is_no_form_is_refused(desk: Desk, kind: str) -> None:
    for data in (b"", b"{}", b"--x", b"--x\r\n", b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nRI'):
        status, text = await transcribed(desk, data, **{"Content-Type": kind})
        assert status == 400, text
