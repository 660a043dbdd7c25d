//! The service on plain axum, as its documentation shows it.

mod plain;

use std::error::Error;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use plain::{Listeners, Refused, Said, Say};

fn main() -> Result<(), Box<dyn Error>> {
    plain::run(serve)
}

async fn serve(listeners: Listeners) {
    let router = Router::new().route("/capabilities/echo.say/v1", post(say)).route("/health", get(async || "ok"));
    if let Some(health) = listeners.health {
        let router = router.clone();
        tokio::spawn(async move { axum::serve(health, router).await });
    }
    // It ends with the process.
    let _ = axum::serve(listeners.api, router).await;
}

async fn say(Json(request): Json<Say>) -> Result<Json<Said>, (StatusCode, Json<Refused>)> {
    let refused = |reply| (StatusCode::UNPROCESSABLE_ENTITY, Json(reply));
    plain::say(request).await.map(Json).map_err(refused)
}
