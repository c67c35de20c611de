//! The ways to an admin interface beside a plain port: a socket in the file system, and TLS.

use super::child::{fusebox, response, text};
use super::desk::{Desk, converse};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::sync::{Arc, Mutex};

const LEVEL: &str = r#"{"level": "info"}"#;

fn log_level(admin: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let output =
        fusebox("log-level").args(["--admin", admin]).args(more).output().expect("the program starts");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_an_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("admin.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let asked = Arc::<Mutex<Vec<_>>>::default();
    let heard = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            converse(stream, &heard, &|_| response(200, LEVEL));
        }
    });
    let said = log_level(&format!("unix:{}", path.display()), &[]);
    assert_eq!(said, (Some(0), "info\n".into(), String::new()));
    let asked = asked.lock().expect("no panic");
    assert_eq!((asked[0].line.as_str(), asked[0].header("host")), ("GET /log-level", Some("localhost")));
}

#[test]
fn https_is_checked_against_the_authorities_that_are_given() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a pair");
    let config = Arc::new(config);
    let wrap =
        move |stream| StreamOwned::new(ServerConnection::new(config.clone()).expect("a server"), stream);
    let desk = Desk::behind(wrap, |_| response(200, LEVEL));

    let folder = tempfile::tempdir().expect("a folder");
    let (pem, none) = (folder.path().join("ca.pem"), folder.path().join("none.pem"));
    std::fs::write(&pem, made.cert.pem()).expect("written");
    std::fs::write(&none, "nothing").expect("written");
    let (pem, none) = (pem.display().to_string(), none.display().to_string());
    let admin = format!("https://localhost:{}", desk.address.port());
    assert_eq!(log_level(&admin, &["--ca-file", &pem]), (Some(0), "info\n".into(), String::new()));

    let other_name = format!("https://127.0.0.1:{}", desk.address.port());
    let (code, _, err) = log_level(&other_name, &["--ca-file", &pem]);
    assert!(code == Some(1) && err.contains("certificate"), "{err}");
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&pem, stranger.cert.pem()).expect("written");
    let (code, _, err) = log_level(&admin, &["--ca-file", &pem]);
    assert!(code == Some(1) && err.contains("certificate"), "{err}");
    let (code, _, err) = log_level(&admin, &["--ca-file", &none]);
    assert!(code == Some(2) && err.contains("found no certificate; accepted: certificates in PEM"), "{err}");
}
