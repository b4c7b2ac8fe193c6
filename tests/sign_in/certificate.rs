//! An application by its certificate, in every form that it may be given, and what is said when it does not do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entradb_emulator::{AppCredential, Emulator, Options};

use crate::sign_in::program::{Signed, me};

const PATH: &str = "ARM_CLIENT_CERTIFICATE_PATH";
const PASSWORD: &str = "ARM_CLIENT_CERTIFICATE_PASSWORD";

async fn sign_in(azure: &Emulator, app: &AppCredential, certificate: &[(&str, &str)]) -> Result<Signed, String> {
    let mut all = azure.environment();
    all.retain(|(name, _)| name != "ARM_CLIENT_SECRET" && name != "ARM_CLIENT_ID");
    let own = [("ARM_CLIENT_ID", app.client_id.as_str()), ("ARM_USE_CLI", "false")];
    let pairs = own.iter().chain(certificate);
    all.extend(pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    me(&all).await
}

#[tokio::test]
async fn a_certificate_signs_in_until_it_is_taken_away() {
    let azure = Emulator::start(Options::default()).await.expect("an emulated Azure");
    let app = azure.runner();
    let expected = Ok(Signed::as_object(&app.object_id));
    let pem = app.certificate_pem_path.display().to_string();
    assert_eq!(sign_in(&azure, app, &[(PATH, &pem)]).await, expected);

    let pfx = app.pfx_path.clone().expect("this machine has openssl");
    let path = pfx.display().to_string();
    let right = [(PATH, path.as_str()), (PASSWORD, app.pfx_password.as_str())];
    assert_eq!(sign_in(&azure, app, &right).await, expected);
    let given = STANDARD.encode(std::fs::read(&pfx).expect("the archive"));
    let given = [
        ("ARM_CLIENT_CERTIFICATE", given.as_str()),
        (PASSWORD, app.pfx_password.as_str()),
    ];
    assert_eq!(sign_in(&azure, app, &given).await, expected);

    let wrong = [(PATH, path.as_str()), (PASSWORD, "wrong")];
    let refusal = sign_in(&azure, app, &wrong).await.expect_err("a wrong password");
    assert!(refusal.contains("the password is wrong"), "{refusal}");
    let nowhere = [(PATH, "/nowhere/app.pem")];
    let refusal = sign_in(&azure, app, &nowhere).await.expect_err("no such file");
    assert!(refusal.contains("/nowhere/app.pem"), "{refusal}");

    azure.remove_certificates(&app.client_id);
    let refusal = sign_in(&azure, app, &[(PATH, &pem)])
        .await
        .expect_err("a certificate that nobody knows");
    assert!(
        refusal.contains("The certificate is not registered with the application"),
        "{refusal}"
    );
    assert!(!refusal.contains("BEGIN"), "{refusal}");
}
