"""Python calls services that are written in Rust, and reads how they refuse."""

from macula_py import NoProviderError, ProviderError

from mesh import check, check_error, run

SAY, WHISPER = "hecate-echo/echo.say_v1", "hecate-echo/echo.whisper_v1"
LARGEST, SMALLEST = 2**63 - 1, -(2**63)
CARGO = {
    "fragile": 1,
    "sealed": None,
    "weight": 2.5,
    "items": SMALLEST,
    "serial": LARGEST,
    "stamp": b"\x00\xff\x80",
    "digits": b"\x00\x07",
    "shape": {"Boxed": {"closed": 0, "inner": ["Flat", {"Round": -0.125}]}},
    "note": None,
    "checks": {"dry": 1, "warm": 0},
}


async def script(mesh):
    providers = await mesh.pool.providers(mesh.realm, SAY)
    check("providers of say", [len(provider.node) for provider in providers], [64])
    check("say", await mesh.call(SAY, {"text": "gr\u00fc\u00df dich"}), {"text": "gr\u00fc\u00df dich", "via": "mesh"})
    info = await mesh.call("hecate-echo/echo.info_v1", {})
    check("info", (info["node"], info["status"]), (providers[0].node, "ok"))
    await refusals(mesh)
    await tokens(mesh)
    await kinds(mesh)


async def refusals(mesh):
    for missing in ("hecate-echo/echo.shout_v1", "hecate-echo/echo.say_v9", "nobody/here.at_all_v1"):
        error = await mesh.refused(missing, {"text": "x"})
        check_error(missing, error, NoProviderError, "no trusted provider advertises the procedure")
    error = await mesh.refused(SAY, {"text": ""})
    check_error("a handler that refuses", error, ProviderError, "silence: There is nothing to say.")
    check("its parts", (error.code, error.detail), ("handler_error", "silence: There is nothing to say."))
    # What of a request does not read is told by its name, or by what the whole is.
    for request, *words in (
        ({"txt": "x"}, "missing field `text`"),
        ({"text": 7}, "`text`", "integer `7`", "expected a string"),
        ({"text": None}, "`text`", "null"),
        ({"text": b"x"}, "`text`"),
        (None, "null", "an object"),
        (["x"], "a list", "an object"),
    ):
        error = await mesh.refused(SAY, request)
        check_error(f"a request {request!r}", error, ProviderError, "invalid_request: ", *words)
    deep = {**CARGO, "shape": {"Boxed": {"closed": 0, "inner": ["Flat", {"Round": "far"}]}}}
    error = await mesh.refused("hecate-carrier/carrier.carry_v1", deep)
    check_error("far inside", error, ProviderError, "invalid_request: ", "shape.Boxed.inner[1].Round", "far")


async def tokens(mesh):
    error = await mesh.refused(WHISPER, {"text": "PSST"})
    check_error("whisper without a token", error, ProviderError, "unauthorized")
    check("its code", error.code, "unauthorized")
    # A token is for orgs that the realm admitted.
    procedure = f"{mesh.realm_name}/_realm/_realm/identity/issue_service_token_v1"
    asked = {"org": "py-stranger", "service_name": "x", "scope": "x", "actions": [], "resources": [], "ttl_days": 1}
    check_error("a token before the claim", await mesh.refused(procedure, asked), ProviderError, "not_admitted")
    check("a claim", await mesh.claim("py-guest"), {"org": "py-guest"})
    error = await mesh.refused(procedure, {**asked, "org": "py-guest", "actions": ["fly:away"]})
    check_error("a token for no action", error, ProviderError, "invalid_action: `fly:away`")
    other = await mesh.token("py-guest", "call:hecate-echo/echo.say@1")
    error = await mesh.refused(WHISPER, {"text": "PSST"}, ucan=other)
    check_error("whisper with a token for say", error, ProviderError, "unauthorized")
    error = await mesh.refused(WHISPER, {"text": "PSST"}, ucan="a.b.c")
    check_error("whisper with no token at all", error, ProviderError, "unauthorized")
    right = await mesh.token("py-guest", "call:hecate-echo/echo.whisper@1")
    reply = await mesh.call(WHISPER, {"text": "PSST"}, ucan=right)
    check("whisper with its token", reply, {"text": "psst", "via": "mesh"})


async def kinds(mesh):
    """A field of every kind crosses both ways, and means the same."""
    carried = await mesh.call("hecate-carrier/carrier.carry_v1", CARGO)
    # A list of numbers in Rust is one in Python, too.
    check("cargo", carried["cargo"], {**CARGO, "digits": [0, 7]})
    check("its truth", [type(carried["cargo"][name]) for name in ("fragile", "weight", "note")], [int, float, type(None)])
    words = ("fragile: true", "sealed: None", f"items: {SMALLEST}", f"serial: {LARGEST}", "stamp: [0, 255, 128]",
             "digits: [0, 7]", "closed: false", "Round(-0.125)", 'checks: {"dry": true, "warm": false}')
    check("seen in Rust", carried["seen"], lambda seen: all(word in seen for word in words))
    changed = {**CARGO, "fragile": 0, "sealed": 1, "weight": 3, "stamp": b"", "note": "", "shape": "Flat", "digits": []}
    carried = await mesh.call("hecate-carrier/carrier.carry_v1", changed)
    check("other cargo", carried["cargo"], {**changed, "weight": 3.0})
    for name, wrong, *words in (
        ("fragile", 2, "`fragile`"),
        ("fragile", "yes", "`fragile`"),
        ("serial", -1, "`serial`", "-1"),
        ("items", 1.5, "`items`", "1.5"),
        ("digits", [256], "`digits[0]`", "256"),
        ("checks", {"dry": 1, "warm": 7}, "`checks.warm`"),
        ("shape", "Cubic", "`shape`", "Cubic", "Flat"),
    ):
        error = await mesh.refused("hecate-carrier/carrier.carry_v1", {**CARGO, name: wrong})
        check_error(f"{name} = {wrong!r}", error, ProviderError, "invalid_request: ", *words)
    # What the mesh cannot carry back is the provider's fault, and its inside stays there.
    error = await mesh.refused("hecate-carrier/carrier.count_on_v1", CARGO)
    check_error("a reply that cannot be carried", error, ProviderError, "internal: ", "under the call id ")


run(script)
