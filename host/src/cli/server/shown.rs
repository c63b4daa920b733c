//! Servers as they are shown, without their secrets.

use super::super::answer::{Table, yes_or_no};
use crate::administration::Server;
use crate::servers::configuration::{
    Authentication, Dialect, FilesConfiguration, HttpConfiguration, IdRange, LdapAuthentication,
    LdapConfiguration, MessagingAuthentication, MessagingConfiguration, ServerConfiguration,
    SqlAuthentication, SqlConfiguration, SqlTls,
};
use crate::servers::pacing::PacingConfiguration;

/// Where a server is, and how the host authenticates itself there.
pub(super) fn place(configuration: &ServerConfiguration) -> (String, String) {
    match configuration {
        ServerConfiguration::Files(files) => (files.root.clone(), "-".to_owned()),
        ServerConfiguration::Ldap(ldap) => {
            let authentication = match &ldap.authentication {
                LdapAuthentication::None {} => "none".to_owned(),
                LdapAuthentication::Simple { bind_dn, .. } => format!("simple, {bind_dn}"),
                LdapAuthentication::External {} => "external".to_owned(),
            };
            (format!("{} {}", ldap.url, ldap.base_dns.join(" ")), authentication)
        }
        ServerConfiguration::Sql(sql) => {
            let authentication = match &sql.authentication {
                None => "-".to_owned(),
                Some(SqlAuthentication::Trusted { user }) => format!("trusted, user {user}"),
                Some(SqlAuthentication::Password { user, .. }) => format!("password, user {user}"),
            };
            (sql.place(), authentication)
        }
        ServerConfiguration::Messaging(messaging) => {
            let authentication = match &messaging.authentication {
                MessagingAuthentication::None {} => "none".to_owned(),
                MessagingAuthentication::Token { .. } => "token".to_owned(),
                MessagingAuthentication::Password { username, mechanism, .. } => {
                    format!("password by {}, user {username}", mechanism.word())
                }
            };
            let (protocol, addresses) = (messaging.broker.word(), messaging.addresses.join(","));
            (format!("{protocol} {addresses} {}", messaging.topics.join(" ")), authentication)
        }
        ServerConfiguration::Http(http) => {
            let authentication = match &http.authentication {
                Authentication::None {} => "none".to_owned(),
                Authentication::Basic { username, .. } => format!("basic, user {username}"),
                Authentication::Bearer { .. } => "bearer".to_owned(),
                Authentication::Header { name, .. } => format!("header {name}"),
                Authentication::ClientCredentials { token_url, client_id, .. } => {
                    format!("OAuth 2.0, client {client_id}, token from {token_url}")
                }
                Authentication::OAuth1 { consumer_key, .. } => {
                    format!("OAuth 1.0a, consumer {consumer_key}")
                }
            };
            (http.base_url.clone(), authentication)
        }
    }
}

fn pace(pacing: &PacingConfiguration) -> String {
    let PacingConfiguration { requests_per_second, burst, max_connections } = pacing;
    let rate = match requests_per_second {
        Some(rate) => format!("{rate} requests per second, {burst} at once"),
        None => "as fast as targets ask".to_owned(),
    };
    format!("{rate}; at most {max_connections} connections")
}

/// All that is told of a server.
pub(super) fn described(server: &Server) -> String {
    let (place, authentication) = place(&server.configuration);
    let mut fields = vec![
        ("id", server.id.clone()),
        ("description", server.description.clone()),
        ("kind", server.configuration.kind().to_owned()),
        ("place", place),
        ("authentication", authentication),
    ];
    match &server.configuration {
        ServerConfiguration::Files(files) => fields.extend(of_files(files)),
        ServerConfiguration::Http(http) => fields.extend(of_http(http)),
        ServerConfiguration::Ldap(ldap) => fields.extend(of_ldap(ldap)),
        ServerConfiguration::Sql(sql) => fields.extend(of_sql(sql)),
        ServerConfiguration::Messaging(messaging) => fields.extend(of_messaging(messaging)),
    }
    Table::of_fields(fields).to_string()
}

type Field = (&'static str, String);

fn of_files(files: &FilesConfiguration) -> [Field; 3] {
    let range = |range: Option<IdRange>| range.map_or_else(|| "none".to_owned(), |range| range.to_string());
    [
        ("modes allowed", files.modes.to_string()),
        ("owners allowed", range(files.owners)),
        ("groups allowed", range(files.groups)),
    ]
}

fn of_http(http: &HttpConfiguration) -> [Field; 6] {
    let trusted = if http.ca_certificates.is_some() { "own certificates" } else { "those of the system" };
    [
        ("private addresses", if http.allow_private_addresses { "allowed" } else { "refused" }.to_owned()),
        ("authorities", trusted.to_owned()),
        ("client certificate", yes_or_no(http.client_certificate.is_some())),
        ("pace", pace(&http.pacing)),
        ("request timeout", milliseconds(http.request_timeout_ms)),
        ("connect timeout", milliseconds(http.connect_timeout_ms)),
    ]
}

fn of_ldap(ldap: &LdapConfiguration) -> [Field; 5] {
    let secured = ldap.start_tls || ldap.url.starts_with("ldaps:");
    [
        ("secured", yes_or_no(secured)),
        ("client certificate", yes_or_no(ldap.client_certificate.is_some())),
        ("pace", pace(&ldap.pacing)),
        ("request timeout", milliseconds(ldap.request_timeout_ms)),
        ("connect timeout", milliseconds(ldap.connect_timeout_ms)),
    ]
}

fn of_sql(sql: &SqlConfiguration) -> Vec<Field> {
    let mut fields = Vec::new();
    if sql.dialect != Dialect::Sqlite {
        fields.push(("secured", yes_or_no(sql.tls == SqlTls::Required)));
    }
    if !sql.schemas.is_empty() {
        fields.push(("schemas", sql.schemas.join(", ")));
    }
    fields.extend([
        ("pace", pace(&sql.pacing)),
        ("statement timeout", milliseconds(sql.statement_timeout_ms)),
        ("connect timeout", milliseconds(sql.connect_timeout_ms)),
    ]);
    fields
}

fn of_messaging(messaging: &MessagingConfiguration) -> [Field; 6] {
    [
        ("secured", yes_or_no(messaging.tls)),
        ("client certificate", yes_or_no(messaging.client_certificate.is_some())),
        ("largest message", format!("{} bytes", messaging.max_message_bytes)),
        ("pace", pace(&messaging.pacing)),
        ("request timeout", milliseconds(messaging.request_timeout_ms)),
        ("connect timeout", milliseconds(messaging.connect_timeout_ms)),
    ]
}

fn milliseconds(time: u64) -> String {
    format!("{time} ms")
}
