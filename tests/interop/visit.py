"""Python finds what anyone may call, calls it, and is refused what is for the realm.

After the station of the box went away, a provider is back a little later: this waits for it.
"""

import asyncio

from macula_py import NoProviderError, ProviderError

from mesh import PATIENCE_MS, check, check_error, run

SAY, WHISPER = "hecate-echo/echo.say_v1", "hecate-echo/echo.whisper_v1"


async def found(mesh):
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while True:
            try:
                return await mesh.pool.providers(mesh.realm, SAY)
            except NoProviderError:
                await asyncio.sleep(0.05)


async def script(mesh):
    check("providers", len(await found(mesh)), 1)
    check("say", await mesh.call(SAY, {"text": "hello"}), {"text": "hello", "via": "mesh"})
    error = await mesh.refused(WHISPER, {"text": "hello"})
    check_error("whisper", error, ProviderError, "unauthorized")


run(script)
