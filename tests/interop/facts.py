"""Facts cross: Python hears what services announce and what the SDK publishes, and is heard by both."""

import asyncio

from mesh import Failed, check, run

ANNOUNCED = "_mesh.cap.announce"
QUESTION, ANSWER = "interop.question", "interop.answer"
PATIENCE = 60
MASK = 2**64 - 1


def stirred(number):
    number = ((number ^ (number >> 30)) * 0xBF58_476D_1CE4_E5B9) & MASK
    number = ((number ^ (number >> 27)) * 0x94D0_49BB_1331_11EB) & MASK
    return number ^ (number >> 31)


def places(name, bits, hashes):
    """Where a Bloom filter of version 1 keeps a name, from what is written of it and not from its code."""
    fnv = 0xCBF2_9CE4_8422_2325
    for byte in name.encode():
        fnv = ((fnv ^ byte) * 0x0100_0000_01B3) & MASK
    first, second = stirred(fnv), stirred(fnv ^ 0x9E37_79B9_7F4A_7C15) | 1
    return [((first + number * second) & MASK) % bits for number in range(hashes)]


def filter_of(names):
    bits = max(1024, -(-len(names) * 10 // 8) * 8)
    data = bytearray(bits // 8)
    for name in names:
        for place in places(name, bits, 7):
            data[place // 8] |= 1 << place % 8
    return {"bits": bits, "hashes": 7, "data": bytes(data)}


def may_hold(told, name):
    return all(told["data"][place // 8] >> place % 8 & 1 for place in places(name, told["bits"], told["hashes"]))


async def heard(subscription, wanted):
    """The first event that is wanted."""
    async with asyncio.timeout(PATIENCE):
        async for event in subscription:
            if wanted(event):
                return event
    raise Failed("the subscription ended")


async def script(mesh):
    announced = await mesh.pool.subscribe(mesh.realm, ANNOUNCED)
    asked = await mesh.pool.subscribe(mesh.realm, QUESTION)
    # Whoever started this script starts the carrier when it reads that, and publishes the question.
    print("listening", flush=True)

    names = ("ask", "carry", "count_on", "describe", "get_limits", "info", "pack", "pass", "unpack")
    own = [f"hecate-carrier/carrier.{name}_v1" for name in names]
    event = await heard(announced, lambda event: event.payload["service"] == "hecate-carrier"
                        and event.payload["count"] == len(own))
    fact = event.payload
    check("an announcement", (fact["v"], fact["org"]), (1, "hecate-carrier"))
    check("it speaks for its publisher", fact["node"].hex(), event.publisher)
    check("it lists", sorted(fact["capabilities"]), own)
    check("its filter", fact["filter"], filter_of(own))
    check("its filter holds", [name for name in own if not may_hold(fact["filter"], name)], [])
    others = [f"hecate-other/other.do_{number}_v1" for number in range(2_000)]
    wrong = sum(may_hold(fact["filter"], name) for name in others)
    # A filter of so few names is wrong more often than a large one.
    check("of 2000 other names it holds by mistake", wrong, lambda wrong: wrong < 100)

    event = await heard(asked, lambda _: True)
    check("a question", event.payload, {"text": "who is there?", "number": -(2**63), "raw": b"\x00\xff", "none": None})
    answer = {"to": event.payload["text"], "number": 2**63 - 1, "raw": b"\xff\x00", "share": 0.5, "none": None}
    await mesh.pool.publish(mesh.realm, ANSWER, answer)

    # A fact of a service in Python, for those in Rust to remember.
    mine = ["py-desk/desk.weigh_v1"]
    fact = {"v": 1, "service": "py-desk", "org": "py-desk", "node": mesh.key.node_id(), "count": 1}
    await mesh.pool.publish(mesh.realm, ANNOUNCED, {**fact, "capabilities": mine, "filter": filter_of(mine)})
    check("dropped", (announced.dropped(), asked.dropped()), (0, 0))
    print(f"node {mesh.key.node_id_hex()}", flush=True)


run(script)
