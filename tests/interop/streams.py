"""Python reads a stream of a service that is written in Rust, and sends it one: with nothing of hecate."""

from macula_py import StreamData, StreamEof, StreamError, StreamMode, StreamReply

from mesh import PATIENCE_MS, Failed, check, run

COUNT, SUM = "hecate-echo/echo.count_v1", "hecate-echo/echo.sum_v1"


async def opened(mesh, procedure, mode, payload=None, **options):
    return await mesh.pool.open_stream(mesh.realm, procedure, mode, payload, timeout_ms=PATIENCE_MS, **options)


async def items(stream):
    """What comes until the end, and how that came."""
    found = []
    try:
        while True:
            frame = await stream.recv(timeout_ms=PATIENCE_MS)
            if frame is None:
                raise Failed(f"nothing came after {found!r}")
            if isinstance(frame, StreamEof):
                return found, "end"
            if isinstance(frame, StreamReply):
                return found, frame.payload
            if isinstance(frame, StreamData):
                found.append(frame.body)
    except StreamError as error:
        return found, (error.code, error.detail)


async def script(mesh):
    async with await opened(mesh, COUNT, StreamMode.SERVER, {"to": 300}) as stream:
        found, end = await items(stream)
        check("counted", (len(found), found[:2], found[-1]), (300, [{"number": 1}, {"number": 2}], {"number": 300}))
        check("its end", end, "end")
    async with await opened(mesh, COUNT, StreamMode.SERVER, {"to": 0}) as stream:
        check("a refusal", await items(stream), ([], ("silence", "There is nothing to say.")))
    async with await opened(mesh, COUNT, StreamMode.SERVER, {"to": "far"}) as stream:
        check("what does not read", await items(stream), lambda seen: seen[1][0] == "invalid_request" and "`to`" in seen[1][1])
    async with await opened(mesh, COUNT, StreamMode.BIDI, {"to": 3}) as stream:
        check("another kind", (await items(stream))[1][0], "mode_mismatch")

    async with await opened(mesh, SUM, StreamMode.CLIENT) as stream:
        for number in range(1, 101):
            await stream.send_value({"number": number})
        # A raw chunk is JSON.
        await stream.send(b'{"number": 50}')
        await stream.close_send()
        check("added up", await items(stream), ([], {"sum": 5100, "numbers": 101}))
    async with await opened(mesh, SUM, StreamMode.CLIENT) as stream:
        await stream.send_value({"number": 2**63 - 1})
        await stream.send_value({"number": 1})
        check("too much", await items(stream), lambda seen: seen[1][0] == "too_large")
    async with await opened(mesh, SUM, StreamMode.CLIENT) as stream:
        await stream.send(b"no JSON")
        check("no JSON", await items(stream), lambda seen: seen[1][0] == "invalid_request")

    # Sealed, or not at all.
    async with await opened(mesh, COUNT, StreamMode.SERVER, {"to": 3}, confidential="required") as stream:
        check("counted under seal", await items(stream), ([{"number": 1}, {"number": 2}, {"number": 3}], "end"))
    async with await opened(mesh, SUM, StreamMode.CLIENT, confidential="required") as stream:
        await stream.send_value({"number": 42})
        await stream.close_send()
        check("added up under seal", await items(stream), ([], {"sum": 42, "numbers": 1}))


run(script)
