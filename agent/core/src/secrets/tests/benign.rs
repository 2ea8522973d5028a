//! Owns lines that hold no secret and look as if they might: hashes, ids, pictures, stand-ins, code that handles secrets.
//! Uses files of this repository, and lines drawn at random.
//! Never holds a secret of anybody's.

use super::generate::{BASE32, BASE62, BASE64, Dice, HEX, SMALL, URL64};
use super::{Redactor, Span};

/// Files of this repository, as they are.
const FILES: &[&str] = &[
    include_str!("../../../../../Cargo.lock"),
    include_str!("../../../../../Cargo.toml"),
    include_str!("../../../../../README.md"),
    include_str!("../../../../../models.toml"),
    include_str!("../../turn/calls.rs"),
    include_str!("../../session.rs"),
    include_str!("../../session/log.rs"),
    include_str!("../../context.rs"),
    include_str!("../../config/env.rs"),
    include_str!("../../permission.rs"),
    include_str!("../named.rs"),
    include_str!("../shape.rs"),
];

/// Lines with stand-ins, expressions and the like; `#` is a digit, `?` a small letter.
const WRITTEN: &[&str] = &[
    "password = \"test\"",
    "password: 'secret'",
    "API_KEY=YOUR_API_KEY",
    "API_KEY=your-api-key-here",
    "export TOKEN=${TOKEN}",
    "token: <your token>",
    "token = os.environ[\"GITHUB_TOKEN\"]",
    "const token = process.env.ACCESS_TOKEN;",
    "let password = std::env::var(\"PASSWORD\")?;",
    "password := os.Getenv(\"DB_PASSWORD\")",
    "  password: {{ .Values.db.password }}",
    "  token: ${{ secrets.GITHUB_TOKEN }}",
    "        secretKeyRef: { name: app-secrets, key: db-password }",
    "password = get_password(user_id=##)",
    "self.token = token",
    "if password != confirm_password:",
    "<input type=\"password\" name=\"password\" id=\"password\" placeholder=\"Your password\">",
    "max_tokens: ####",
    "\"token_type\": \"bearer\", \"expires_in\": ####",
    "let tokens = tokenizer.encode(text, true)?;",
    "fn parse_token(&mut self, token: Token) -> Result<Node, ParseError> {",
    "password_hash = hasher.hash(password)",
    "token_url = \"https://auth.example.org/oauth/token\"",
    "SECRET_NAME=projects/app/secrets/db-password/versions/##",
    "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "postgres://user:password@localhost:5432/test",
    "mysql://root:root@127.0.0.1/app",
    "redis://:${REDIS_PASSWORD}@cache:6379",
    "curl -u \"$USER:$PASSWORD\" https://example.org",
    "Authorization: Bearer <token>",
    "Authorization: Bearer $TOKEN",
    "headers = {\"Authorization\": f\"Bearer {token}\"}",
    "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "password: \"********\"",
    "PASSWORD=changeme",
    "POSTGRES_PASSWORD: postgres",
    "key: value-##",
    "<li key={item.id}>{item.name}</li>",
    "cache-key: cargo-${{ hashFiles('Cargo.lock') }}",
    "primary_key = \"id\"",
    "public_key = \"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7\"",
    "-----BEGIN CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----",
    "grep -r \"BEGIN RSA PRIVATE KEY\" .",
    "The token is refreshed every ## minutes.",
    "Enter the password: ",
    "error: invalid token `????????` at line ##",
    "expected token: ????????",
    "PRIVATE_KEY_PATH=/etc/ssl/private/app.key",
    "ssl_certificate_key /etc/nginx/ssl/app.key;",
    "session.cookie.secure = true",
    "csrf_token = generate_csrf_token()",
    "next_page_token: ????????????????",
    "const KEYWORDS = [\"async\", \"await\", \"token\"];",
    "assert_eq!(token.kind, TokenKind::Identifier);",
    "auth: { type: 'oauth2', flow: 'implicit' }",
    "password: Yup.string().min(8).required('Password is required'),",
    "t('forms.password.placeholder')",
];

fn drawn(dice: &mut Dice, number: usize) -> String {
    let name = dice.text(SMALL, 7);
    match number % 24 {
        0 => format!("checksum = \"{}\"", dice.text(HEX, 64)),
        1 => format!("commit {}", dice.text(HEX, 40)),
        2 => format!("{} {name}/{name}.rs", dice.text(HEX, 7)),
        3 => format!("    \"integrity\": \"sha512-{}==\",", dice.text(BASE64, 86)),
        4 => format!("  \"id\": \"{}\",", dice.uuid()),
        5 => format!("<img src=\"data:image/png;base64,iVBORw0KGgo{}=\">", dice.text(BASE64, 400)),
        6 => format!(
            "{:08x}  {}  |................|",
            number * 16,
            (0..16).map(|_| dice.text(HEX, 2)).collect::<Vec<_>>().join(" ")
        ),
        7 => format!("{}  {name}.tar.gz", dice.text(HEX, 64)),
        8 => format!(
            "!function(e,t){{var {}=e.{},n=t({});return n.{}(e)}}(this,function(e){{}});",
            dice.text(SMALL, 1),
            dice.text(SMALL, 3),
            number,
            dice.text(SMALL, 4)
        ),
        9 => format!("{} {name} h1:{}=", name, dice.text(BASE64, 43)),
        10 => format!("digest: sha256:{}", dice.text(HEX, 64)),
        11 => format!("index {}..{} 100644", dice.text(HEX, 9), dice.text(HEX, 9)),
        12 => format!(
            "{name} = {{ version = \"1.{}.{}\", features = [\"{name}\"] }}",
            dice.below(90),
            dice.below(90)
        ),
        13 => format!(
            "2026-03-01T12:00:{:02}.{:03}Z INFO request_id={} took {} ms",
            number % 60,
            number % 1000,
            dice.uuid(),
            dice.below(900)
        ),
        14 => format!("https://cdn.example.org/assets/{name}.{}.js", dice.text(HEX, 20)),
        15 => format!("ETag: \"{}\"", dice.text(HEX, 32)),
        16 => format!(
            "    at {name} (webpack:///./src/{name}.ts?{}:{}:{})",
            dice.text(HEX, 4),
            dice.below(900),
            dice.below(90)
        ),
        17 => format!(".{name}__{}_{} {{ margin: 0 }}", name, dice.text(BASE62, 5)),
        18 => format!("trace_id={} span_id={}", dice.text(HEX, 32), dice.text(HEX, 16)),
        19 => format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{} {name}@host", dice.text(BASE64, 43)),
        20 => format!("MIID{}", dice.text(BASE64, 60)),
        21 => format!("https://www.youtube.com/watch?v={}", dice.text(URL64, 11)),
        22 => format!("arn:aws:iam::{}:role/{name}-{}", dice.text("0123456789", 12), dice.text(BASE32, 6)),
        _ => WRITTEN[number / 24 % WRITTEN.len()]
            .chars()
            .map(|letter| match letter {
                '#' => char::from(b'1' + (number % 9) as u8),
                '?' => dice.text(SMALL, 1).chars().next().unwrap_or('a'),
                other => other,
            })
            .collect(),
    }
}

/// More than ten thousand of them, the same each time.
pub(super) fn lines() -> Vec<String> {
    let mut dice = Dice::new(7);
    let mut lines: Vec<String> = FILES.iter().flat_map(|file| file.lines().map(ToOwned::to_owned)).collect();
    lines.extend(WRITTEN.iter().map(|line| (*line).to_owned()));
    lines.extend((0..9_600).map(|number| drawn(&mut dice, number)));
    lines
}

/// The lines in which something is taken for a secret, each read as it stands among the others.
pub(super) fn alarms(redactor: &Redactor, lines: &[String]) -> Vec<String> {
    let text = lines.join("\n");
    let spans: Vec<Span> = redactor.spans(&text);
    let mut starts = vec![0];
    starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
    let line_of = |place: usize| starts.partition_point(|start| *start <= place) - 1;
    let mut alarms: Vec<String> = Vec::new();
    let mut last = None;
    for span in spans {
        let first = line_of(span.range.start);
        let end = line_of(span.range.end - 1);
        for (number, line) in lines.iter().enumerate().take(end + 1).skip(first) {
            if last != Some(number) {
                alarms.push(format!("{}: {line}", span.kind));
                last = Some(number);
            }
        }
    }
    alarms
}
