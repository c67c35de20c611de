//! Encrypted connections, checked against the system's authorities or those of a file.

use crate::failure::Failure;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whom to trust: the authorities in `file`, else those of the system.
pub(super) fn config(file: Option<&Path>) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| {
                    Failure::Usage(format!(
                        "--ca-file {}: a certificate in it cannot be used: {error}",
                        file.display()
                    ))
                })?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let why = "this system has no certificate authorities; give yours with --ca-file";
                return Err(Failure::Run(why.into()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Run(format!("cannot speak TLS: {error}")))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let text = std::fs::read(file).map_err(|source| Failure::Unreadable { path: file.into(), source })?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let refused = |why: String| {
        Failure::Usage(format!("--ca-file {}: {why}; accepted: certificates in PEM", file.display()))
    };
    match found {
        Ok(found) if found.is_empty() => Err(refused("found no certificate".into())),
        Ok(found) => Ok(found),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// Shakes hands with `host` over `stream`.
pub(super) async fn wrap(
    config: Arc<ClientConfig>,
    host: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    TlsConnector::from(config).connect(name, stream).await
}
