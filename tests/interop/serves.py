"""Python serves under an org that it claims, calls and streams, and a service written in Rust calls it."""

from macula_py import NotFoundError, ProviderError, RealmMemberRequired, StreamData, StreamMode, UcanRequired
from macula_py.ucan import key_id

from mesh import check, check_error, run

ORG = "py-desk"
ASK, PASS = "hecate-carrier/carrier.ask_v1", "hecate-carrier/carrier.pass_v1"
UNPACK, PACK = "hecate-carrier/carrier.unpack_v1", "hecate-carrier/carrier.pack_v1"


def weigh(request):
    """What the desk does; what it does not do, it tells in several ways."""
    item = request.payload["item"]
    answer = {"item": item, "weight": item / 2, "fragile": item % 2, "note": None, "stamp": bytes([item % 256])}
    match item:
        case -1:
            return [1, 2][item + 7]
        case -2:
            raise LookupError("no_such_item: nobody brought it")
        case -3:
            return {**answer, "weight": "heavy"}
        case -4:
            return {**answer, "fragile": True}
        case -5:
            return "not even a map"
        case -6:
            raise LookupError
        case -7:
            raise LookupError("w\u00e4hlerisch: " + "\u00fc" * 500)
    return {**answer, "fields": sorted(request.payload), "_later": "what Rust does not know of"}


async def unpack(stream):
    """As many pieces as it is told; seven are too many, and a negative number is no parcel."""
    item = stream.request.payload["item"]
    if item < 0:
        return await stream.abort("no_parcel", "there is nothing in it")
    for number in range(1, item + 1):
        if number == 7 and item == 7:
            return await stream.abort("torn", "the rest fell out")
        await stream.send_value({"number": number})


async def pack(stream):
    """What the pieces add up to."""
    numbers = []
    async for frame in stream:
        if not isinstance(frame, StreamData):
            break
        numbers.append(frame.body["number"])
    await stream.reply({"pieces": len(numbers), "sum": sum(numbers)})


async def script(mesh):
    async def serve(name, **options):
        return await mesh.pool.serve(mesh.realm, f"{ORG}/{name}_v1", weigh, **options)

    try:
        await serve("desk.weigh")
        check("serving before the claim", "accepted", "refused")
    except NotFoundError as error:
        check_error("serving before the claim", error, NotFoundError, f'the org directory of "{ORG}"')
    check("the claim", await mesh.claim(ORG), {"org": ORG})
    served = await serve("desk.weigh")
    # The realm's token says `call`: whoever declares that it uses it has one. Nobody has one of a stranger.
    # What is nobody else's business comes sealed, or is refused.
    member = RealmMemberRequired(key_id(mesh.realm_key, mesh.profile), "call")
    await serve("desk.vault", policy=member, confidential="required")
    await serve("desk.locked", policy=UcanRequired(mesh.key.node_id()))

    async def ask(item, name="desk.weigh", by_type=0):
        return await mesh.call(ASK, {"name": name, "item": item, "by_type": by_type})

    weighed = {"item": 7, "weight": 3.5, "fragile": 1, "note": None, "stamp": b"\x07", "fields": ["_hecate", "item"]}
    check("by reference", await ask(7), {"weighed": weighed, "failure": None})
    check("by a typed constant", await ask(7, by_type=1), {"weighed": weighed, "failure": None})
    whole = {**weighed, "item": 8, "weight": 4.0, "fragile": 0, "stamp": b"\x08"}
    check("with a whole number for a fraction", (await ask(8))["weighed"], whole)
    check("under seal, with the realm's token", (await ask(7, "desk.vault"))["weighed"], weighed)

    async def fails(what, item, code, *words, name="desk.weigh", is_retryable=0):
        told = (await ask(item, name))["failure"]
        check(what, told, lambda told: told is not None)
        check("  its code", told["code"], code)
        text = f"{told['message']} | {told['cause']}"
        check("  its words", text, lambda text: all(word in text for word in words))
        check("  to be tried again", told["is_retryable"], is_retryable)

    await fails("an exception", -1, "handler_error", "list index out of range")
    await fails("an exception with a code", -2, "no_such_item", "nobody brought it")
    await fails("an exception without words", -6, "handler_error", "the provider does not say why")
    await fails("an exception with too many words", -7, "handler_error", "w\u00e4hlerisch")
    await fails("a reply that does not read", -3, None, "`weight`", "heavy")
    await fails("a reply that Python cannot send", -4, "handler_error", "no boolean")
    await fails("a reply that is no object", -5, None, "text", "an object")
    await fails("a token of nobody", 7, "unauthorized", "desk.locked", name="desk.locked")
    await fails("nobody there", 7, None, "nobody provides `py-desk/desk.nowhere@1`", name="desk.nowhere", is_retryable=1)

    # What Python said comes back to Python through a service that passes it on.
    error = await mesh.refused(PASS, {"name": "desk.weigh", "item": -2, "by_type": 1})
    check_error("passed on", error, ProviderError, "no_such_item: nobody brought it")

    # Streams: Python knows no windows and says none of the words of hecate.
    async def serve_stream(name, mode, handler):
        return await mesh.pool.serve_stream(mesh.realm, f"{ORG}/{name}_v1", mode, handler, confidential="required")

    await serve_stream("desk.unpack", StreamMode.SERVER, unpack)
    await serve_stream("desk.pack", StreamMode.CLIENT, pack)

    async def streamed(procedure, item):
        told = await mesh.call(procedure, {"item": item})
        failure = told["failure"]
        return told["pieces"], told["packed"], failure and (failure["code"], failure["message"])

    for count in (0, 3, 300):
        check(f"{count} pieces", await streamed(UNPACK, count), (list(range(1, count + 1)), None, None))
        check(f"{count} packed", await streamed(PACK, count), ([], {"pieces": count, "sum": count * (count + 1) // 2}, None))
    check("refused before the first", await streamed(UNPACK, -1), lambda told: told[0] == [] and told[2][0] == "no_parcel")
    check("torn in the middle", await streamed(UNPACK, 7), lambda told: told[0] == [1, 2, 3, 4, 5, 6] and told[2][0] == "torn")

    # What is withdrawn is soon found no more.
    await served.stop()
    told = (await ask(7))["failure"]
    check("after it stopped", told, lambda told: told is not None and told["is_retryable"] == 1)


run(script)
