//! Owns the table of secrets that have a form of their own: tokens of services, signed tokens, passwords in addresses.
//! Uses one search for all beginnings, and one anchored expression for each form.
//! Never takes a documented example or a run of `x` for a secret.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{Span, shape};

/// One form.
struct Form {
    /// For people.
    kind: &'static str,
    /// How it begins, literally.
    lead: &'static str,
    /// What follows, as an anchored expression. Group `s` is the secret; without one it is all, beginning included.
    body: &'static str,
}

const fn form(kind: &'static str, lead: &'static str, body: &'static str) -> Form {
    Form { kind, lead, body }
}

/// Every form. Beginnings and lengths are those that the services document or that their tokens have; where a service has
/// changed its lengths over the years, the shortest.
const FORMS: &[Form] = &[
    form("github token", "ghp_", "[A-Za-z0-9]{30,255}"),
    form("github token", "gho_", "[A-Za-z0-9]{30,255}"),
    form("github token", "ghu_", "[A-Za-z0-9]{30,255}"),
    form("github token", "ghs_", "[A-Za-z0-9]{30,255}"),
    form("github token", "ghr_", "[A-Za-z0-9]{30,255}"),
    form("github token", "github_pat_", "[A-Za-z0-9_]{50,255}"),
    form("gitlab token", "glpat-", "[A-Za-z0-9_.-]{20,}"),
    form("gitlab token", "gldt-", "[A-Za-z0-9_-]{20,}"),
    form("gitlab token", "glrt-", "[A-Za-z0-9_.-]{20,}"),
    form("gitlab token", "glptt-", "[0-9a-f]{40}"),
    form("gitlab token", "glcbt-", "[A-Za-z0-9_-]{20,}"),
    form("gitlab token", "glft-", "[A-Za-z0-9_-]{20,}"),
    form("gitlab token", "glsoat-", "[A-Za-z0-9_-]{20,}"),
    form("gitlab token", "gloas-", "[A-Za-z0-9_-]{20,}"),
    form("gitlab token", "glimt-", "[A-Za-z0-9_-]{20,}"),
    form("gitlab token", "glagent-", "[A-Za-z0-9_-]{20,}"),
    form("gitlab token", "GR1348941", "[A-Za-z0-9_-]{20,}"),
    form("slack token", "xoxb-", "[0-9A-Za-z-]{16,}"),
    form("slack token", "xoxp-", "[0-9A-Za-z-]{16,}"),
    form("slack token", "xoxa-", "[0-9A-Za-z-]{16,}"),
    form("slack token", "xoxr-", "[0-9A-Za-z-]{16,}"),
    form("slack token", "xoxs-", "[0-9A-Za-z-]{16,}"),
    form("slack token", "xoxe-", "[0-9A-Za-z-]{16,}"),
    form("slack token", "xoxe.", "xox[bp]-[0-9A-Za-z-]{16,}"),
    form("slack token", "xoxc-", "[0-9A-Za-z-]{16,}"),
    form("slack token", "xoxd-", "[0-9A-Za-z%-]{16,}"),
    form("slack token", "xapp-", "[0-9]-[0-9A-Za-z-]{16,}"),
    form("slack webhook", "hooks.slack.com/", "(?:services|workflows|triggers)/(?P<s>[A-Za-z0-9/_-]{20,})"),
    form("stripe key", "sk_live_", "[0-9A-Za-z]{16,}"),
    form("stripe key", "sk_test_", "[0-9A-Za-z]{16,}"),
    form("stripe key", "rk_live_", "[0-9A-Za-z]{16,}"),
    form("stripe key", "rk_test_", "[0-9A-Za-z]{16,}"),
    form("webhook secret", "whsec_", "[A-Za-z0-9+/]{24,}={0,2}"),
    form("google api key", "AIza", "[0-9A-Za-z_-]{35}"),
    form("google token", "ya29.", "[0-9A-Za-z_-]{20,}"),
    form("google client secret", "GOCSPX-", "[0-9A-Za-z_-]{20,}"),
    form("google token", "1//0", "[0-9A-Za-z_-]{30,}"),
    form("anthropic key", "sk-ant-", "[A-Za-z0-9_-]{20,}"),
    form("openai key", "sk-proj-", "[A-Za-z0-9_-]{20,}"),
    form("openai key", "sk-svcacct-", "[A-Za-z0-9_-]{20,}"),
    form("openai key", "sk-admin-", "[A-Za-z0-9_-]{20,}"),
    form("openai key", "sk-None-", "[A-Za-z0-9_-]{20,}"),
    form("openrouter key", "sk-or-v1-", "[0-9a-f]{32,}"),
    form("api key", "sk-", "[A-Za-z0-9]{32,}"),
    form("hugging face token", "hf_", "[A-Za-z0-9]{30,}"),
    form("hugging face token", "api_org_", "[A-Za-z0-9]{30,}"),
    form("groq key", "gsk_", "[A-Za-z0-9]{40,}"),
    form("replicate token", "r8_", "[A-Za-z0-9]{36,}"),
    form("perplexity key", "pplx-", "[A-Za-z0-9]{40,}"),
    form("xai key", "xai-", "[A-Za-z0-9]{60,}"),
    form("npm token", "npm_", "[A-Za-z0-9]{36}"),
    form("pypi token", "pypi-", "[A-Za-z0-9_-]{50,}"),
    form("crates.io token", "cio", "[A-Za-z0-9]{32}"),
    form("rubygems key", "rubygems_", "[0-9a-f]{48}"),
    form("nuget key", "oy2", "[a-z0-9]{43}"),
    form("clojars token", "CLOJARS_", "[0-9a-z]{60}"),
    form("docker hub token", "dckr_pat_", "[A-Za-z0-9_-]{20,}"),
    form("docker hub token", "dckr_oat_", "[A-Za-z0-9_-]{20,}"),
    form("aws access key id", "AKIA", "[A-Z2-7]{16}"),
    form("aws access key id", "ASIA", "[A-Z2-7]{16}"),
    form("aws access key id", "ABIA", "[A-Z2-7]{16}"),
    form("aws access key id", "ACCA", "[A-Z2-7]{16}"),
    form("aws bedrock key", "ABSK", "[A-Za-z0-9+/]{80,}={0,2}"),
    form("aws session token", "IQoJb3JpZ2lu", "[A-Za-z0-9+/=%_-]{60,}"),
    form("aws session token", "FwoGZXIvYXdz", "[A-Za-z0-9+/=%_-]{60,}"),
    form("twilio key", "SK", "[0-9a-f]{32}"),
    form("sendgrid key", "SG.", r"[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
    form("mailgun key", "key-", "[0-9a-f]{32}"),
    form("mailchimp key", "-us", "(?:[0-9]{1,2})"),
    form("brevo key", "xkeysib-", "[0-9a-f]{64}-[A-Za-z0-9]{16}"),
    form("azure client secret", "Q~", "[A-Za-z0-9_~.-]{31,34}"),
    form("azure signature", "sig=", "(?P<s>[A-Za-z0-9%+/]{40,}(?:%3[dD]|=))"),
    form("digitalocean token", "dop_v1_", "[0-9a-f]{64}"),
    form("digitalocean token", "doo_v1_", "[0-9a-f]{64}"),
    form("digitalocean token", "dor_v1_", "[0-9a-f]{64}"),
    form("telegram token", ":AA", "[A-Za-z0-9_-]{32,33}"),
    form("discord webhook", "/api/webhooks/", "[0-9]{16,20}/(?P<s>[A-Za-z0-9_-]{60,})"),
    form("shopify token", "shpat_", "[0-9a-fA-F]{32}"),
    form("shopify token", "shpca_", "[0-9a-fA-F]{32}"),
    form("shopify token", "shppa_", "[0-9a-fA-F]{32}"),
    form("shopify token", "shpss_", "[0-9a-fA-F]{32}"),
    form("atlassian token", "ATATT3", "[A-Za-z0-9_=-]{60,}"),
    form("atlassian token", "ATCTT3", "[A-Za-z0-9_=-]{60,}"),
    form("bitbucket password", "ATBB", "[A-Za-z0-9]{28,}"),
    form("square token", "EAAA", "[A-Za-z0-9_-]{60}"),
    form("square token", "sq0atp-", "[A-Za-z0-9_-]{22,}"),
    form("square secret", "sq0csp-", "[A-Za-z0-9_-]{40,}"),
    form("facebook token", "EAAC", "[A-Za-z0-9]{80,}"),
    form("dropbox token", "sl.", "[A-Za-z0-9_-]{120,}"),
    form("linear key", "lin_api_", "[A-Za-z0-9]{32,}"),
    form("notion token", "ntn_", "[A-Za-z0-9]{40,}"),
    form("notion token", "secret_", "[A-Za-z0-9]{43}"),
    form("figma token", "figd_", "[A-Za-z0-9_-]{32,}"),
    form("postman key", "PMAK-", "[0-9a-f]{24}-[0-9a-f]{34}"),
    form("new relic key", "NRAK-", "[A-Z0-9]{27}"),
    form("grafana token", "glsa_", "[A-Za-z0-9]{32}_[0-9a-fA-F]{8}"),
    form("grafana token", "glc_", "[A-Za-z0-9+/]{40,}={0,2}"),
    form("sentry token", "sntrys_", "[A-Za-z0-9+/=_-]{60,}"),
    form("sentry token", "sntryu_", "[0-9a-f]{64}"),
    form("vault token", "hvs.", "[A-Za-z0-9_-]{24,}"),
    form("vault token", "hvb.", "[A-Za-z0-9_-]{24,}"),
    form("terraform token", ".atlasv1.", "[A-Za-z0-9_=-]{40,}"),
    form("pulumi token", "pul-", "[0-9a-f]{40}"),
    form("doppler token", "dp.", r"(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]+\.)?[A-Za-z0-9]{40,}"),
    form("planetscale token", "pscale_", "(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{32,}"),
    form("fly.io token", "fo1_", "[A-Za-z0-9_-]{40,}"),
    form("fly.io token", "fm2_", "[A-Za-z0-9+/=_-]{60,}"),
    form("netlify token", "nfp_", "[A-Za-z0-9]{36,}"),
    form("heroku key", "HRKU-", "[A-Za-z0-9_-]{36,}"),
    form("databricks token", "dapi", "[0-9a-f]{32}(?:-[0-9])?"),
    form("supabase token", "sbp_", "[0-9a-f]{40}"),
    form("supabase key", "sb_secret_", "[A-Za-z0-9_-]{20,}"),
    form("neon key", "napi_", "[a-z0-9]{40,}"),
    form("airtable token", "pat", r"[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    form("hubspot token", "pat-", "(?:na|eu)[0-9]-[0-9a-f-]{36}"),
    form("contentful token", "CFPAT-", "[A-Za-z0-9_-]{40,}"),
    form("artifactory key", "AKCp", "[A-Za-z0-9]{60,}"),
    form("artifactory token", "cmVmdGtu", "[A-Za-z0-9]{50,}"),
    form("sonar token", "sqp_", "[0-9a-f]{40}"),
    form("sonar token", "squ_", "[0-9a-f]{40}"),
    form("sonar token", "sqa_", "[0-9a-f]{40}"),
    form("buildkite token", "bkua_", "[0-9a-f]{40}"),
    form("circleci token", "CCIPAT_", "[A-Za-z0-9]{16,}_[0-9a-f]{40}"),
    form("cloudflare key", "v1.0-", "[0-9a-f]{24}-[0-9a-f]{100,}"),
    form("alibaba key id", "LTAI", "[A-Za-z0-9]{16,24}"),
    form("tencent key id", "AKID", "[A-Za-z0-9]{32}"),
    form("yandex key", "AQVN", "[A-Za-z0-9_-]{35,}"),
    form("easypost key", "EZAK", "[A-Za-z0-9]{54}"),
    form("easypost key", "EZTK", "[A-Za-z0-9]{54}"),
    form("readme key", "rdme_", "[a-z0-9]{60,}"),
    form("shippo token", "shippo_live_", "[0-9a-f]{40}"),
    form("shippo token", "shippo_test_", "[0-9a-f]{40}"),
    form("duffel token", "duffel_live_", "[A-Za-z0-9_-]{40,}"),
    form("duffel token", "duffel_test_", "[A-Za-z0-9_-]{40,}"),
    form("typeform token", "tfp_", "[A-Za-z0-9_.=-]{40,}"),
    form("prefect key", "pnu_", "[a-z0-9]{36}"),
    form("sourcegraph token", "sgp_", "[A-Za-z0-9_]{40,}"),
    form("openshift token", "sha256~", "[A-Za-z0-9_-]{43}"),
    form("1password token", "ops_eyJ", "[A-Za-z0-9+/=_-]{100,}"),
    form("adafruit key", "aio_", "[A-Za-z0-9]{28}"),
    form("plaid token", "access-sandbox-", "[0-9a-f-]{36}"),
    form("plaid token", "access-production-", "[0-9a-f-]{36}"),
    form("teams webhook", ".webhook.office.com/", r"webhookb2/(?P<s>[A-Za-z0-9@/_-]{60,})"),
    form("age key", "AGE-SECRET-KEY-1", "[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
    form(
        "signed token",
        "eyJ",
        r"[A-Za-z0-9_=-]{8,}\.(?:[A-Za-z0-9_=-]{8,}\.[A-Za-z0-9_=+/-]*|\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)",
    ),
    form("password hash", "$2a$", "[0-9]{2}[$][./A-Za-z0-9]{53}"),
    form("password hash", "$2b$", "[0-9]{2}[$][./A-Za-z0-9]{53}"),
    form("password hash", "$2y$", "[0-9]{2}[$][./A-Za-z0-9]{53}"),
    form("password hash", "$apr1$", "[./A-Za-z0-9]{1,8}[$][./A-Za-z0-9]{22}"),
    form("password hash", "$1$", "[./A-Za-z0-9]{1,8}[$][./A-Za-z0-9]{22}"),
    form("password hash", "$5$", "(?:rounds=[0-9]+[$])?[./A-Za-z0-9]{1,16}[$][./A-Za-z0-9]{43}"),
    form("password hash", "$6$", "(?:rounds=[0-9]+[$])?[./A-Za-z0-9]{1,16}[$][./A-Za-z0-9]{86}"),
    form("password hash", "$y$", "[./A-Za-z0-9]+[$][./A-Za-z0-9]{1,86}[$][./A-Za-z0-9]{43}"),
    form("password hash", "$argon2", r"(?:id|i|d)[$][A-Za-z0-9$,=+/]{40,}"),
    form("password hash", "pbkdf2_sha256$", "[0-9]+[$][A-Za-z0-9]+[$][A-Za-z0-9+/]{30,}={0,2}"),
    form("password hash", "{SSHA", "(?:256|384|512)?[}][A-Za-z0-9+/]{28,}={0,2}"),
    form("password hash", "{SHA}", "[A-Za-z0-9+/]{27}="),
    form("encoded private key", "LS0tLS1CRUdJTi", "[A-Za-z0-9+/]{60,}={0,2}"),
];

/// The forms, ready to search for.
struct Table {
    /// Every beginning.
    leads: Regex,
    /// For each beginning the forms that it may be one of.
    forms: HashMap<&'static str, Vec<(&'static Form, Regex)>>,
}

static TABLE: LazyLock<Result<Table, regex::Error>> = LazyLock::new(|| {
    let mut leads: Vec<&str> = FORMS.iter().map(|form| form.lead).collect();
    // The first alternative that matches wins, so that the longest must come first.
    leads.sort_by_key(|lead| (std::cmp::Reverse(lead.len()), *lead));
    leads.dedup();
    let escaped: Vec<String> = leads.iter().map(|lead| regex::escape(lead)).collect();
    let mut forms: HashMap<&'static str, Vec<(&'static Form, Regex)>> = HashMap::new();
    for lead in &leads {
        for form in FORMS.iter().filter(|form| lead.starts_with(form.lead)) {
            let body = Regex::new(&format!("^{}(?:{})", regex::escape(form.lead), form.body))?;
            forms.entry(lead).or_default().push((form, body));
        }
    }
    Ok(Table { leads: Regex::new(&escaped.join("|"))?, forms })
});

/// Why the expressions cannot be used; a test sees to it that they can.
#[cfg(test)]
pub(super) fn problem() -> Option<String> {
    TABLE.as_ref().err().map(ToString::to_string)
}

/// Beginnings that stand in the middle of what they belong to.
const PRECEDED: &[&str] = &["Q~", "LS0tLS1CRUdJTi", "hooks.slack.com/", "pbkdf2_sha256$"];

/// A form is longer than this only where a signed token carries a great deal.
const LONGEST: usize = 16 * 1024;

/// Every secret that has a form of its own.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let Ok(table) = &*TABLE else { return };
    let mut from = 0;
    while let Some(lead) = table.leads.find_at(text, from) {
        from = lead.end();
        let Some(forms) = table.forms.get(lead.as_str()) else { continue };
        // The inside of something longer is not looked at again and again.
        let before = lead.start().checked_sub(1).map(|place| text.as_bytes()[place]);
        if lead.as_str().as_bytes()[0].is_ascii_alphanumeric()
            && !PRECEDED.contains(&lead.as_str())
            && before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            continue;
        }
        let window = shape::clip(&text[lead.start()..], LONGEST);
        let mut looked_at = lead.end();
        let found = forms.iter().find_map(|(form, body)| {
            let captures = body.captures(window)?;
            let whole = captures.get(0)?;
            looked_at = looked_at.max(lead.start() + whole.end());
            let secret = captures.name("s").unwrap_or(whole);
            let range = lead.start() + secret.start()..lead.start() + secret.end();
            accept(form, text, range, lead.start() + whole.end())
        });
        if let Some(span) = found {
            spans.push(span);
        }
        // What has the form and is none after all is no other one from its middle on.
        from = looked_at;
    }
}

/// Whether what has the form is one: it stands alone, and is not written to be an example.
fn accept(form: &Form, text: &str, mut range: std::ops::Range<usize>, end: usize) -> Option<Span> {
    let bytes = text.as_bytes();
    let before = range.start.checked_sub(1).map(|place| bytes[place]);
    let after = bytes.get(end).copied();
    match form.kind {
        // What is before the characteristic part belongs to it.
        "azure client secret" => {
            range.start -= back(bytes, range.start, 4, |byte| shape::is_token_byte(byte) || byte == b'~')
        }
        "telegram token" => {
            let digits = back(bytes, range.start, 11, |byte| byte.is_ascii_digit());
            if !(8..=10).contains(&digits) {
                return None;
            }
            range.start -= digits;
        }
        "mailchimp key" => {
            let digits =
                back(bytes, range.start, 33, |byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
            if digits != 32 {
                return None;
            }
            range.start -= digits;
        }
        "terraform token" => {
            let letters = back(bytes, range.start, 15, |byte| byte.is_ascii_alphanumeric());
            if letters != 14 {
                return None;
            }
            range.start -= letters;
        }
        "encoded private key" => {
            let encoded = &text[range.clone()];
            // `PRIVATE KEY` in base64, at each of its three alignments; a certificate is no secret.
            if !["UFJJVkFURSBLRV", "BSSVZBVEUgS0VZ", "QUklWQVRFIEtFW"]
                .iter()
                .any(|words| encoded.contains(words))
            {
                return None;
            }
        }
        // A part of something longer that only happens to contain it.
        _ if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !form.lead.starts_with(['$', '{', '.', '/']) =>
        {
            return None;
        }
        "aws access key id" | "twilio key" | "easypost key"
            if before.is_some_and(|byte| b"+/".contains(&byte)) && !text[..range.start].ends_with("//") =>
        {
            return None;
        }
        _ => {}
    }
    if after.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let secret = &text[range.clone()];
    let varied =
        form.kind == "password hash" || !shape::is_example(secret.strip_prefix(form.lead).unwrap_or(secret));
    varied.then(|| Span::new(range, form.kind))
}

/// How many bytes before a place are of a kind, at most so many.
fn back(bytes: &[u8], place: usize, most: usize, of_kind: impl Fn(u8) -> bool) -> usize {
    bytes[..place].iter().rev().take(most).take_while(|byte| of_kind(**byte)).count()
}
