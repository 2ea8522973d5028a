//! Owns texts with secrets in formats and surroundings that were written down before anybody looked at what the first ones miss.
//! Uses the dice of the first.
//! Never holds a secret of anybody's.

use super::generate::{BASE32, BASE36, BASE62, BASE64, Dice, Draw, HEX, Planted, SMALL, URL64};
use crate::secrets::shape::base64;

/// The format, the text with `@@` for the secret, and how it is drawn.
const PLACED: &[(&str, &str, Draw)] = &[
    ("linear", "LINEAR={}", |d| format!("lin_api_{}", d.text(BASE62, 40))),
    ("postman", "newman run x --env-var k={}", |d| format!("PMAK-{}-{}", d.text(HEX, 24), d.text(HEX, 34))),
    ("new relic", "newrelic.license: {}", |d| format!("NRAK-{}", d.text(BASE32, 27))),
    ("databricks", "[DEFAULT]\nhost = https://x\ntoken = {}", |d| format!("dapi{}", d.text(HEX, 32))),
    ("vault", "$ vault login {}\nSuccess!", |d| format!("hvs.{}", d.text(URL64, 90))),
    ("doppler", "doppler run --token {} -- make", |d| format!("dp.st.prd.{}", d.text(BASE62, 40))),
    ("grafana", "Authorization: Bearer {}", |d| format!("glsa_{}_{}", d.text(BASE62, 32), d.text(HEX, 8))),
    ("supabase", "supabase link --project-ref abc && SUPABASE_ACCESS_TOKEN={} supabase db push", |d| {
        format!("sbp_{}", d.text(HEX, 40))
    }),
    ("cloudflare", "[env.production]\ncloudflare_api_token = \"{}\"", |d| d.text(URL64, 40)),
    ("heroku", "HEROKU_API_KEY: {}", Dice::uuid),
    ("mailgun", "auth=(\"api\", \"{}\")", |d| format!("key-{}", d.text(HEX, 32))),
    ("mailchimp", "mailchimp = Mailchimp('{}')", |d| format!("{}-us12", d.text(HEX, 32))),
    ("okta", "okta.client.token={}", |d| format!("00{}", d.text(URL64, 40))),
    ("terraform cloud", "credentials \"app.terraform.io\" {\n  token = \"{}\"\n}", |d| {
        format!("{}.atlasv1.{}", d.text(BASE62, 14), d.text(BASE62, 67))
    }),
    ("fly", "FLY_API_TOKEN=\"{}\"", |d| format!("fo1_{}", d.text(URL64, 43))),
    ("netlify", "netlify deploy --auth {} --prod", |d| format!("nfp_{}", d.text(BASE62, 36))),
    ("datadog", "DD_API_KEY={}", |d| d.text(HEX, 32)),
    ("datadog application", "  dd_app_key: \"{}\"", |d| d.text(HEX, 40)),
    ("algolia", "ALGOLIA_ADMIN_KEY='{}'", |d| d.text(HEX, 32)),
    ("wireguard", "[Interface]\nPrivateKey = {}\nAddress = 10.0.0.2/32", |d| d.text(BASE64, 43) + "="),
    ("wireguard shared", "PresharedKey = {}", |d| d.text(BASE64, 43) + "="),
    ("rails", "production:\n  secret_key_base: {}", |d| d.text(HEX, 128)),
    ("django", "SECRET_KEY = 'django-insecure-{}'", |d| {
        d.text("abcdefghijklmnopqrstuvwxyz0123456789!@#%^&*(-_=+)", 50)
    }),
    ("laravel", "APP_KEY=base64:{}", |d| d.text(BASE64, 43) + "="),
    ("jdbc", "jdbc:mysql://db:3306/app?user=app&password={}&useSSL=true", |d| d.text(BASE62, 16)),
    ("odbc", "Driver={PostgreSQL};Server=db;Uid=app;Pwd={};", |d| d.text(BASE62, 14)),
    ("mongodb", "mongodb+srv://app:{}@cluster0.ab1cd.mongodb.net/app?retryWrites=true", |d| {
        d.text(BASE62, 16)
    }),
    ("smtp", "smtp_password = \"{}\"", |d| d.text(SMALL, 16)),
    ("ldap", "bindDN: cn=svc,dc=x\nbindPassword: {}", Dice::password),
    ("wifi", "network={\n  ssid=\"office\"\n  psk=\"{}\"\n}", Dice::password),
    ("tfvars", "db_password = \"{}\"", Dice::password),
    ("powershell", "$pw = ConvertTo-SecureString \"{}\" -AsPlainText -Force", Dice::password),
    ("ansible", "ansible_become_pass: \"{}\"", Dice::password),
    ("ansible ssh", "web1 ansible_host=10.0.0.9 ansible_user=root ansible_ssh_pass={}", |d| {
        d.text(BASE62, 14)
    }),
    ("jenkins", "<com.x.Credentials>\n  <apiToken>{}</apiToken>", |d| d.text(HEX, 34)),
    ("gradle", "signing.password={}\nsigning.keyId=24875D73", Dice::password),
    ("maven", "<server><id>x</id><username>ci</username><password>{}</password></server>", Dice::password),
    ("npmrc", "//registry.npmjs.org/:_authToken={}", |d| format!("npm_{}", d.text(BASE62, 36))),
    ("npmrc uuid", "//npm.example.org/:_authToken={}", Dice::uuid),
    ("pip", "index-url = https://ci:{}@pypi.example.org/simple", |d| d.text(BASE62, 20)),
    ("git credentials", "https://alice:{}@github.com", |d| format!("gho_{}", d.text(BASE62, 36))),
    ("curl user", "curl -sS -u admin:{} https://nexus.example.org/repository", |d| d.text(BASE62, 16)),
    ("mysql", "mysql -h db -u root -p{} app < dump.sql", |d| d.text(BASE62, 14)),
    ("sshpass", "sshpass -p '{}' ssh root@10.0.0.4", Dice::password),
    ("postman variable", "{ \"key\": \"api_token\", \"value\": \"{}\", \"enabled\": true }", |d| {
        d.text(BASE62, 40)
    }),
    ("har", "{\"name\": \"Authorization\", \"value\": \"Bearer {}\"}", |d| d.text(BASE62, 48)),
    ("python tuple", "requests.get(url, auth=(\"alice\", \"{}\"))", |d| d.text(BASE62, 20)),
    ("go struct", "cfg := Config{User: \"app\", Password: \"{}\"}", Dice::password),
    ("sql", "CREATE USER 'app'@'%' IDENTIFIED BY '{}';", Dice::password),
    ("postgres role", "CREATE ROLE app WITH LOGIN PASSWORD '{}';", Dice::password),
    ("kubernetes secret", "kind: Secret\ndata:\n  password: {}", |d| base64(d.text(BASE62, 18).as_bytes())),
    ("kubernetes token", "users:\n- name: x\n  user:\n    token: {}", |d| {
        format!("{}.{}", d.text(BASE36, 6), d.text(BASE36, 16))
    }),
    ("actions", "      with:\n        token: {}", |d| format!("ghs_{}", d.text(BASE62, 36))),
    ("prose", "The password for the staging box is {} (rotate it next week).", Dice::password),
    ("prose colon", "login: alice\npassword: {}\nurl: https://x", Dice::password),
    ("mail", "Your temporary password is: {}\n\nRegards", |d| d.text(BASE62, 12)),
    ("c#", "var cs = \"Data Source=db;Initial Catalog=app;User ID=sa;Password={}\";", Dice::password),
    ("ruby", "ActionMailer::Base.smtp_settings = { user_name: 'x', password: '{}' }", Dice::password),
    ("php", "define('DB_PASSWORD', '{}');", Dice::password),
    ("php array", "'secret' => '{}',", |d| d.text(BASE62, 32)),
    ("java", "props.put(\"ssl.keystore.password\", \"{}\");", Dice::password),
    ("kotlin", "val apiKey: String = \"{}\"", |d| d.text(BASE62, 32)),
    ("swift", "let clientSecret = \"{}\"", |d| d.text(BASE62, 32)),
    ("typescript", "export const JWT_SECRET: string = '{}';", |d| d.text(BASE62, 48)),
    ("vue env", "VITE_MAP_TOKEN={}", |d| format!("pk.x.{}", d.text(BASE62, 40))),
    ("cookie", "Cookie: lang=en; sessionid={}; theme=dark", |d| d.text(BASE36, 32)),
    ("set-cookie", "set-cookie: connect.session=s%3A{}; Path=/; HttpOnly", |d| d.text(BASE62, 32)),
    ("sas", "https://x.blob.core.windows.net/c?sv=2022-11-02&se=2026-01-01&sig={}", |d| {
        d.text(BASE62, 43) + "%3D"
    }),
    ("teams", "https://x.webhook.office.com/webhookb2/{}", |d| {
        format!("{}@{}/IncomingWebhook/{}/{}", d.uuid(), d.uuid(), d.text(HEX, 32), d.uuid())
    }),
    ("discord webhook", "WEBHOOK=https://discord.com/api/webhooks/112233445566778899/{}", |d| {
        d.text(URL64, 68)
    }),
    ("sentry", "SENTRY_AUTH_TOKEN={}", |d| format!("sntrys_eyJ{}", d.text(BASE64, 120))),
    ("google oauth", "  \"client_secret\": \"{}\",", |d| format!("GOCSPX-{}", d.text(URL64, 28))),
    ("firebase", "  \"current_key\": \"{}\"", |d| format!("AIza{}", d.text(URL64, 35))),
    ("aws session", "aws_session_token = {}", |d| format!("IQoJb3JpZ2lu{}", d.text(BASE64, 300))),
    ("aws csv", "Access key ID,Secret access key\nAKIAQ5BX3ZLKJ7RT2N4M,{}", |d| d.text(BASE64, 40)),
    (
        "boto",
        "boto3.client('s3', aws_access_key_id='AKIAQ5BX3ZLKJ7RT2N4M', aws_secret_access_key='{}')",
        |d| d.text(BASE64, 40),
    ),
    ("s3cfg", "access_key = AKIAQ5BX3ZLKJ7RT2N4M\nsecret_key = {}", |d| d.text(BASE64, 40)),
    ("crates", "[registry]\ntoken = \"{}\"", |d| format!("cio{}", d.text(BASE62, 32))),
    ("rubygems", ":rubygems_api_key: {}", |d| format!("rubygems_{}", d.text(HEX, 48))),
    ("openrouter", "OPENROUTER_API_KEY={}", |d| format!("sk-or-v1-{}", d.text(HEX, 64))),
    ("groq", "client = Groq(api_key=\"{}\")", |d| format!("gsk_{}", d.text(BASE62, 52))),
    ("deepseek", "openai.api_key = \"{}\"", |d| format!("sk-{}", d.text(HEX, 32))),
    ("otp", "otpauth://totp/x:alice?secret={}&issuer=x", |d| d.text(BASE32, 32)),
    ("gpg passphrase", "gpg --batch --passphrase {} -c f", Dice::password),
    ("openssl", "openssl enc -aes-256-cbc -pass pass:{} -in f", |d| d.text(BASE62, 20)),
    ("restic", "RESTIC_PASSWORD={} restic backup /srv", Dice::password),
    ("borg", "export BORG_PASSPHRASE='{}'", Dice::password),
    ("shadow", "root:{}:19500:0:99999:7:::", |d| format!("$6${}${}", d.text(BASE62, 16), d.text(BASE62, 86))),
    ("set -x", "+ API_TOKEN={}\n+ ./deploy.sh", |d| d.text(BASE62, 40)),
    ("env dump", "declare -x DEPLOY_SECRET=\"{}\"", |d| d.text(BASE62, 32)),
    ("stack trace", "Error: 401 at Client.get (client.js:3:1), apiKey: '{}'", |d| d.text(BASE62, 32)),
    ("nested json", "\"headers\":{\"X-Api-Key\":[\"{}\"]}", |d| d.text(BASE62, 32)),
    ("query", "GET /v2/data?api_key={}&q=x HTTP/1.1", |d| d.text(BASE62, 32)),
    ("fragment", "Location: https://app.example.org/#access_token={}&token_type=bearer", |d| {
        d.text(URL64, 60)
    }),
];

/// Each once.
pub(super) fn round(dice: &mut Dice) -> Vec<Planted> {
    PLACED
        .iter()
        .map(|(format, place, make)| {
            let secret = make(dice);
            let noise =
                dice.one(&["", "# from the wiki\n", "2026-03-02 10:00:01 INFO start\n", "name = \"app\"\n"]);
            Planted { format, text: format!("{noise}{}\nend\n", place.replace("{}", &secret)), secret }
        })
        .collect()
}
