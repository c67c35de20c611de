//! The certificate of the admin interface.

use crate::config::TlsPlan;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// What the interface speaks TLS with.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    /// Tells one certificate and key from another.
    digest: [u8; 32],
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Identity {
    /// Reads the certificate and its key.
    pub(crate) fn read(plan: &TlsPlan) -> Result<Identity, String> {
        let (cert, key) = (text(&plan.cert)?, text(&plan.key)?);
        let digest = Sha256::new().chain_update(&cert).chain_update([0]).chain_update(&key).finalize().into();
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&cert)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(&plan.cert, &error, "certificate"))?;
        if chain.is_empty() {
            return Err(wrong(&plan.cert, &pem::Error::NoItemsFound, "certificate"));
        }
        let key =
            PrivateKeyDer::from_pem_slice(&key).map_err(|error| wrong(&plan.key, &error, "private key"))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("admin.tls: {error}"))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| refused(plan, &error))?;
        Ok(Identity { config: Arc::new(config), digest })
    }
}

fn text(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("read {} for admin.tls: {error}", path.display()))
}

fn wrong(path: &Path, error: &pem::Error, what: &str) -> String {
    let why = match error {
        pem::Error::NoItemsFound => "there is none in it".into(),
        other => other.to_string(),
    };
    format!("read a {what} (PEM) from {} for admin.tls: {why}", path.display())
}

fn refused(plan: &TlsPlan, error: &rustls::Error) -> String {
    let (cert, key) = (plan.cert.display(), plan.key.display());
    match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("use {cert} for admin.tls: the key in {key} is not that of the certificate")
        }
        other => format!("use {cert} with {key} for admin.tls: {other}"),
    }
}
