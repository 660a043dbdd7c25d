//! The local API as an OpenAPI 3.1 document, for every tool that reads one.

use serde_json::{Map, Value, json};

use super::components::{Components, reference};
use super::{CapabilityContract, Contract};
use crate::capability::{ErrorCode, RefusalCode};
use crate::local::stream::{EVENTS, NDJSON};

// No capability's name, and so no component of its types, is without a dot.
const PROBLEM: &str = "Problem";
const LISTING: &str = "Capabilities";

/// Of a call that means another service, whatever its code.
const MISDIRECTED: u16 = 421;

/// A response that every capability can give.
struct Failure {
    component: &'static str,
    status: u16,
    codes: &'static [ErrorCode],
    meaning: &'static str,
}

const FAILURES: [Failure; 10] = [
    Failure {
        component: "InvalidRequest",
        status: 400,
        codes: &[ErrorCode::InvalidRequest],
        meaning: "The request is not what the capability takes; `details.path` names the place.",
    },
    Failure {
        component: "Unauthorized",
        status: 403,
        codes: &[ErrorCode::Unauthorized],
        meaning: "The caller may not do this.",
    },
    Failure {
        component: "NotFound",
        status: 404,
        codes: &[ErrorCode::UnknownCapability, ErrorCode::UnsupportedVersion],
        meaning: "No capability of that name and version is here.",
    },
    Failure {
        component: "PayloadTooLarge",
        status: 413,
        codes: &[ErrorCode::PayloadTooLarge],
        meaning: "The request is larger than the capability takes.",
    },
    Failure {
        component: "Misdirected",
        status: MISDIRECTED,
        codes: &[ErrorCode::UnknownCapability],
        meaning: "The call names another org or realm than this service has.",
    },
    Failure {
        component: "RateLimited",
        status: 429,
        codes: &[ErrorCode::RateLimited],
        meaning: "More calls come than the capability takes. A caller on this box sees it only where the handler \
                  passes on what a call of its own came to.",
    },
    Failure {
        component: "Internal",
        status: 500,
        codes: &[ErrorCode::Internal, ErrorCode::Undeclared],
        meaning: "The service failed; its log tells more under the `call_id`.",
    },
    Failure {
        component: "Unavailable",
        status: 503,
        codes: &[ErrorCode::Unavailable, ErrorCode::Overloaded, ErrorCode::Draining],
        meaning: "The service takes no call now; the same call may succeed later.",
    },
    Failure {
        component: "Timeout",
        status: 504,
        codes: &[ErrorCode::Timeout],
        meaning: "The handler did not end before its deadline. Whether it did its work is unknown.",
    },
    Failure {
        component: "TooManyHops",
        status: 508,
        codes: &[ErrorCode::TooManyHops],
        meaning: "Too many calls led to this one: services call each other in a circle.",
    },
];

impl Failure {
    fn response(&self) -> Value {
        let codes: Vec<_> = self.codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
        let mut response = problem_response(&format!("{} Code: {}.", self.meaning, codes.join(", ")));
        if [429, 503].contains(&self.status) {
            response["headers"] = json!({"Retry-After": {
                "description": "After how many seconds the call may be made again.",
                "schema": {"type": "integer", "minimum": 0},
            }});
        }
        response
    }
}

/// The document of a contract.
pub(super) fn document(contract: &Contract) -> Value {
    let mut components = Components::default();
    components.add(PROBLEM, problem());
    components.add(LISTING, listing());
    let mut paths = Map::new();
    for capability in &contract.capabilities {
        let path = format!("/capabilities/{}/v{}", capability.name, capability.version);
        paths.insert(path, json!({"post": operation(capability, &mut components)}));
    }
    let listed = json!({"$ref": reference(LISTING)});
    paths.insert("/capabilities".to_owned(), read("capabilities", "Lists the capabilities of this service.", &listed));
    paths.insert("/openapi.json".to_owned(), read("openapi", "Gives this document.", &json!({"type": "object"})));
    let responses: Map<String, Value> =
        FAILURES.iter().map(|failure| (failure.component.to_owned(), failure.response())).collect();
    json!({
        "openapi": "3.1.0",
        "info": {"title": contract.service, "version": contract.version, "description": contract.description},
        "servers": [{
            "url": "http://localhost",
            "description": format!(
                "HTTP/1.1 on the Unix socket `<runtime dir>/{}/sockets/api.sock`, for this box only. The host is not \
                 looked at: `curl --unix-socket <socket> http://localhost/capabilities`.",
                contract.service,
            ),
        }],
        "paths": paths,
        "components": {"schemas": components.into_schemas(), "responses": responses},
    })
}

fn operation(capability: &CapabilityContract, components: &mut Components) -> Value {
    let messages = components.add_messages(capability);
    let mut responses = Map::new();
    let reply = match capability.kind.gives_stream() {
        true => streamed_response(&messages.reply),
        false => json_response("The reply.", &messages.reply),
    };
    responses.insert("200".to_owned(), reply);
    for failure in &FAILURES {
        let reference = format!("#/components/responses/{}", failure.component);
        responses.insert(failure.status.to_string(), json!({"$ref": reference}));
    }
    let refused = ErrorCode::Service("".into()).http_status();
    responses.insert(refused.to_string(), problem_response(&refusals(&capability.refusals)));

    let mut operation = json!({
        "operationId": format!("{}.v{}", capability.name, capability.version),
        "summary": capability.description.lines().next().unwrap_or_default(),
        "description": capability.description,
        "requestBody": request_body(capability, &messages.request),
        "responses": responses,
        "x-kind": capability.kind.to_string(),
        "x-access": capability.access.to_string(),
        "x-idempotent": capability.is_idempotent,
    });
    if let Some(reason) = capability.deprecated {
        operation["deprecated"] = true.into();
        operation["description"] = format!("{}\n\nDeprecated: {reason}", capability.description).into();
    }
    operation
}

fn request_body(capability: &CapabilityContract, schema: &Value) -> Value {
    if !capability.kind.takes_stream() {
        return json!({"required": true, "content": {"application/json": {"schema": schema}}});
    }
    json!({
        "required": true,
        "description": "The requests, a line each. They are read as the service asks for them, and may be sent while \
                        it answers.",
        "content": {NDJSON: items(schema)},
    })
}

/// What a capability answers with that gives a stream.
fn streamed_response(reply: &Value) -> Value {
    json!({
        "description": "The replies, each when it is made: as lines, or as the `data` of events where the header \
                        `Accept` asks for them. What is refused before the first has a status of its own. An error \
                        after it is the last line, `{\"_hecate\": {\"error\": {..}}}` with the members `code`, \
                        `message`, `details`, `retryable`, `retry_after_ms` and `call_id`, or the event `error` with \
                        a problem; the event `end` follows the last reply.",
        "content": {NDJSON: items(reply), EVENTS: items(reply)},
    })
}

/// Content of one document after the other, each of this schema: OpenAPI 3.1 has no word for it.
fn items(schema: &Value) -> Value {
    json!({"schema": schema, "x-streamed": true})
}

fn read(operation_id: &str, summary: &str, schema: &Value) -> Value {
    let response = json_response("As of the start of the service.", schema);
    json!({"get": {"operationId": operation_id, "summary": summary, "responses": {"200": response}}})
}

fn json_response(description: &str, schema: &Value) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

fn problem_response(description: &str) -> Value {
    let schema = json!({"$ref": reference(PROBLEM)});
    json!({"description": description, "content": {"application/problem+json": {"schema": schema}}})
}

fn refusals(codes: &[RefusalCode]) -> String {
    if codes.is_empty() {
        return "The service refused. It makes its codes at run time.".to_owned();
    }
    let lines: String = codes.iter().map(|code| format!("\n- `{}`: {}", code.code, code.message)).collect();
    format!("The service refused:\n{lines}")
}

/// The body of every error: RFC 9457 with the members of this API.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": "Why a call was not answered with a reply: problem details of RFC 9457.",
        "properties": {
            "type": {"type": "string", "format": "uri", "description": "`urn:hecate:error:<code>`."},
            "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status."},
            "detail": {"type": "string", "description": "What happened, for people."},
            "code": {"type": "string", "description": "What happened, in snake_case."},
            "details": {"description": "What happened, for machines; its form depends on the code."},
            "retryable": {"type": "boolean", "description": "Whether the same call may succeed later."},
            "retry_after_ms": {"type": "integer", "minimum": 0, "description": "After how many milliseconds it may."},
            "call_id": {"type": "string", "description": "Names the call in the service's log."},
        },
        "required": ["type", "status", "detail", "code", "retryable"],
    })
}

/// The body of `GET /capabilities`.
fn listing() -> Value {
    json!({
        "type": "object",
        "properties": {
            "service": {"type": "string"},
            "version": {"type": "string"},
            "capabilities": {"type": "array", "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "version": {"type": "integer", "minimum": 1, "maximum": 65535},
                    "description": {"type": "string"},
                    "kind": {
                        "enum": ["unary", "server_stream", "client_stream", "bidi"],
                        "description": "What of a call is a stream.",
                    },
                    "access": {"type": "string", "description": "Who may call it over the mesh: `open`, `realm` or `issuer:<node>`."},
                    "idempotent": {"type": "boolean", "description": "Whether a call may be made again whose outcome is uncertain."},
                    "timeout_ms": {"type": "integer", "minimum": 1},
                    "path": {"type": "string", "description": "Where to post a request."},
                    "deprecated": {"type": "string", "description": "Why callers should move on, if they should."},
                },
                "required": ["name", "version", "description", "kind", "access", "idempotent", "timeout_ms", "path"],
            }},
        },
        "required": ["service", "version", "capabilities"],
    })
}

#[cfg(test)]
mod tests;
