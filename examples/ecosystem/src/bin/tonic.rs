//! tonic: a gRPC client behind a circuit, as a Tower layer around the channel.
//!
//! The service is written by hand, its one message being bytes, so that the example needs no compiler for protobuf.
//! Generated clients take the same channel: `GreeterClient::new(channel)`.
//!
//! `cargo run -p ecosystem --bin tonic`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use bytes::{Buf, BufMut, Bytes};
use ecosystem::Failed;
use fusebox::http::HttpClassify;
use fusebox::tower::CircuitBreakerLayer;
use fusebox::{CircuitBreaker, Error};
use http::uri::PathAndQuery;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use tower::{Service, ServiceBuilder};

const GREET: PathAndQuery = PathAndQuery::from_static("/example.Greeter/Greet");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failed> {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?;
    let host = incoming.local_addr()?;
    tokio::spawn(Server::builder().add_service(Greeter).serve_with_incoming(incoming));

    let circuit =
        CircuitBreaker::builder("greeter").with(|config| config.consecutive_failures = Some(3)).build()?;
    let channel = Channel::from_shared(format!("http://{host}"))?.connect_lazy();
    let channel = ServiceBuilder::new()
        // A refusal, as the status that callers of a gRPC client expect.
        .map_err(refused_as_status)
        // A call that failed has its status in the head of the response, where the classifier reads it.
        .layer(CircuitBreakerLayer::new(circuit.clone()).classify(HttpClassify::new()))
        .service(channel);
    let mut greeter = tonic::client::Grpc::new(channel);

    for name in ["Ann", "nobody", "nobody", "nobody", "crash", "crash", "crash", "Ann"] {
        greeter.ready().await.map_err(|error| error.to_string())?;
        match greeter.unary(Request::new(Bytes::from(name)), GREET, Raw).await {
            Ok(response) => println!("{name}: {}", std::str::from_utf8(response.get_ref())?),
            Err(status) => println!("{name}: {:?}, {}", status.code(), status.message()),
        }
    }
    let totals = circuit.snapshot().totals;
    println!("{} good, {} failed, {} rejected", totals.success, totals.failure, totals.rejected);
    Ok(())
}

fn refused_as_status(error: Error<tonic::transport::Error>) -> Failed {
    let Error::Rejected(rejected) = &error else { return error.into() };
    let mut status = Status::unavailable(error.to_string());
    if let Some(Ok(wait)) = rejected.retry_after.map(|wait| wait.as_millis().to_string().parse()) {
        status.metadata_mut().insert("grpc-retry-pushback-ms", wait);
    }
    status.into()
}

/// The server: it knows Ann, and it has a bug.
#[derive(Clone)]
struct Greeter;

impl Greeter {
    fn greet(name: &[u8]) -> Result<Response<Bytes>, Status> {
        match name {
            b"nobody" => Err(Status::not_found("no such name")),
            b"crash" => Err(Status::internal("a bug")),
            name => Ok(Response::new([b"Hello, ", name].concat().into())),
        }
    }
}

impl tonic::server::NamedService for Greeter {
    const NAME: &'static str = "example.Greeter";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let greet = tower::service_fn(async |request: Request<Bytes>| Greeter::greet(request.get_ref()));
        Box::pin(async move { Ok(tonic::server::Grpc::new(Raw).unary(greet, request).await) })
    }
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
