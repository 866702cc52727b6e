//! hyper 0.14, stopped by Server::with_graceful_shutdown, as its guide has it:
//! https://hyper.rs/guides/0.14/server/graceful-shutdown/
//!
//! axum 0.6 passes on this very server, and its example of graceful shutdown is
//! the same call: https://github.com/tokio-rs/axum/tree/v0.6.x/examples/graceful-shutdown

use std::convert::Infallible;
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use hyper::service::{make_service_fn, service_fn};
use hyper::{header, Body, Request, Response, Server, StatusCode};
use tokio::signal::unix::{signal, SignalKind};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::var("PORT")?.parse()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let service = make_service_fn(|_| async { Ok::<_, Infallible>(service_fn(serve)) });
    Server::bind(&([127, 0, 0, 1], port).into())
        .serve(service)
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await?;
    Ok(())
}

async fn serve(request: Request<Body>) -> hyper::Result<Response<Body>> {
    let last = last(request.uri().query());
    Ok(match request.uri().path() {
        "/" => Response::new("hello\n".into()),
        "/slow" => {
            sleep(last).await;
            Response::new("slow\n".into())
        }
        "/stream" => Response::new(lines(last)),
        "/upload" => {
            let body = request.into_body();
            let length = body
                .try_fold(0, |sum, piece| async move { Ok(sum + piece.len()) })
                .await?;
            Response::new(format!("{length}\n").into())
        }
        "/events" => {
            let mut response = Response::new(events());
            let value = header::HeaderValue::from_static("text/event-stream");
            response.headers_mut().insert(header::CONTENT_TYPE, value);
            response
        }
        _ => {
            let mut response = Response::new("no such path\n".into());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

fn lines(last: Duration) -> Body {
    let end = Instant::now() + last;
    let lines = stream::unfold((), move |()| async move {
        if Instant::now() >= end {
            return None;
        }
        sleep(Duration::from_millis(50)).await;
        Some(("line\n", ()))
    });
    Body::wrap_stream(
        stream::once(async { "line\n" })
            .chain(lines)
            .chain(stream::once(async { "end\n" }))
            .map(Ok::<_, Infallible>),
    )
}

/// Endless: hyper drops it once the client has gone.
fn events() -> Body {
    let events = stream::unfold(1, |n| async move {
        sleep(Duration::from_millis(50)).await;
        Some((format!("id: {n}\ndata: tick\n\n"), n + 1))
    });
    Body::wrap_stream(events.map(Ok::<_, Infallible>))
}

fn last(query: Option<&str>) -> Duration {
    let ms = query
        .and_then(|q| q.strip_prefix("ms="))
        .and_then(|n| n.parse().ok());
    Duration::from_millis(ms.unwrap_or(1500))
}
