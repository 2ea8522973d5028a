//! Owns texts with secrets that were drawn at random: the formats and surroundings that the expressions were written for.
//! Uses a small generator of its own, so that a seed gives the same texts everywhere.
//! Never holds a secret of anybody's.

use crate::secrets::shape::base64;

/// Numbers from a seed (xorshift64*, Vigna 2016).
pub(super) struct Dice(u64);

pub(super) const SMALL: &str = "abcdefghijklmnopqrstuvwxyz";
pub(super) const BASE62: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
pub(super) const BASE64: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
pub(super) const URL64: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
pub(super) const HEX: &str = "0123456789abcdef";
pub(super) const BASE36: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
pub(super) const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }

    pub(super) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// So many characters of an alphabet.
    pub(super) fn text(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| *self.one(&letters)).collect()
    }

    pub(super) fn uuid(&mut self) -> String {
        let part = |dice: &mut Self, length| dice.text(HEX, length);
        format!(
            "{}-{}-4{}-a{}-{}",
            part(self, 8),
            part(self, 4),
            part(self, 3),
            part(self, 3),
            part(self, 12)
        )
    }

    /// What a person or a password generator would choose.
    pub(super) fn password(&mut self) -> String {
        let words = [
            "Harbour", "copper", "Lantern", "violet", "Meadow", "tango", "Bridge", "walnut", "Comet", "ember",
        ];
        match self.below(4) {
            0 => format!(
                "{}{}{}",
                self.one(&words),
                self.one(&["!", "#", "%", "&", "*", "?", "@"]),
                self.below(9000) + 1000
            ),
            1 => {
                let length = 12 + self.below(8);
                self.text("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789!#%*?=+-_", length)
            }
            2 => {
                let length = 16 + self.below(16);
                self.text(BASE62, length)
            }
            _ => format!(
                "{}{}{}{}",
                self.one(&words),
                self.below(90) + 10,
                self.one(&words),
                self.one(&["!", "#", "$1", "%", "*", "?"])
            ),
        }
    }
}

/// A secret and the text that it stands in.
pub(super) struct Planted {
    pub(super) format: &'static str,
    pub(super) secret: String,
    pub(super) text: String,
}

/// Writes one secret.
pub(super) type Draw = fn(&mut Dice) -> String;

/// Tokens that have a form of their own.
const TOKENS: &[(&str, Draw)] = &[
    ("github classic", |d| format!("ghp_{}", d.text(BASE62, 36))),
    ("github fine-grained", |d| format!("github_pat_{}_{}", d.text(BASE62, 22), d.text(BASE62, 59))),
    ("gitlab", |d| format!("glpat-{}", d.text(URL64, 20))),
    ("slack", |d| {
        format!("xoxb-{}-{}-{}", d.text("123456789", 12), d.text("123456789", 13), d.text(BASE62, 24))
    }),
    ("stripe", |d| format!("sk_live_{}", d.text(BASE62, 24))),
    ("google api", |d| format!("AIza{}", d.text(URL64, 35))),
    ("openai", |d| format!("sk-proj-{}T3BlbkFJ{}", d.text(URL64, 74), d.text(URL64, 74))),
    ("anthropic", |d| format!("sk-ant-api03-{}AA", d.text(URL64, 93))),
    ("hugging face", |d| format!("hf_{}", d.text(BASE62, 34))),
    ("npm", |d| format!("npm_{}", d.text(BASE62, 36))),
    ("pypi", |d| format!("pypi-AgEIcHlwaS5vcmc{}", d.text(URL64, 120))),
    ("aws key id", |d| format!("AKIA{}", d.text(BASE32, 16))),
    ("twilio", |d| format!("SK{}", d.text(HEX, 32))),
    ("sendgrid", |d| format!("SG.{}.{}", d.text(URL64, 22), d.text(URL64, 43))),
    ("azure client secret", |d| format!("{}8Q~{}", d.text(BASE62, 3), d.text(BASE62, 34))),
    ("digitalocean", |d| format!("dop_v1_{}", d.text(HEX, 64))),
    ("telegram", |d| format!("{}:AA{}", d.text("123456789", 10), d.text(URL64, 32) + "x")),
    ("discord", |d| format!("M{}.{}.{}", d.text(BASE62, 25), d.text(URL64, 6), d.text(URL64, 37) + "q")),
    ("shopify", |d| format!("shpat_{}", d.text(HEX, 32))),
    ("atlassian", |d| format!("ATATT3xFfGF0{}={}", d.text(URL64, 170), d.text("0123456789ABCDEF", 8))),
    ("signed token", |d| {
        format!("eyJhbGciOiJIUzI1NiJ9.eyJ{}.{}", d.text(URL64, 60), d.text(URL64, 42) + "w")
    }),
];

/// Where a token with a form of its own may stand, whatever it is called there.
const ANYWHERE: &[&str] = &[
    "SERVICE_CREDENTIAL={}\n",
    "export TOKEN={}\n",
    "token: {}\n",
    "  \"token\": \"{}\",\n",
    "key = \"{}\"\n",
    "2026-03-01T12:00:01.120Z DEBUG client: connecting with {} to 10.0.0.7\n",
    "  const client = new Client('{}');\n",
    "    client = Client(\"{}\")\n",
    "let client = Client::new(\"{}\");\n",
    " 1043  tool login --with {} --verbose\n",
    "curl -H \"Authorization: Bearer {}\" https://api.example.org/v1/me\n",
    "> GET /v1/things?access_token={}&limit=10 HTTP/1.1\n",
    "> authorization: token {}\n",
    "##[debug]Evaluating: secrets.DEPLOY => '{}'\n",
    "+TOKEN={}\n",
    "Use `{}` to sign in.\n",
    "<token>{}</token>\n",
    "      - TOKEN={}\n",
    "ENV TOKEN {}\n",
    "{ \"level\":\"info\",\"msg\":\"request\",\"body\":\"{ \\\"token\\\":\\\"{}\\\"}\"}\n",
    "alice,{},2026-01-01\n",
    "remote: https://{}@git.example.org/team/repo.git\n",
    "git remote add origin https://oauth2:{}@git.example.org/team/repo.git\n",
];

/// Secrets that only their name gives away.
const NAMED: &[(&str, Draw)] = &[
    ("password", Dice::password),
    ("hexadecimal key", |d| d.text(HEX, 32)),
    ("long hexadecimal key", |d| d.text(HEX, 64)),
    ("base62 token", |d| d.text(BASE62, 32)),
    ("base64 key", |d| d.text(BASE64, 43) + "="),
    ("uuid key", Dice::uuid),
    ("aws secret", |d| d.text(BASE64, 40)),
];

/// Where such a secret stands, with its name.
const BY_NAME: &[&str] = &[
    "DB_PASSWORD={}\n",
    "export API_KEY=\"{}\"\n",
    "AWS_SECRET_ACCESS_KEY={}\n",
    "aws_secret_access_key = {}\n",
    "  password: {}\n",
    "  password: \"{}\"\n",
    "  client_secret: '{}'\n",
    "  \"apiKey\": \"{}\",\n",
    "{\"user\": \"alice\", \"password\": \"{}\"}\n",
    "secret_key = \"{}\"\n",
    "auth_token = '{}'\n",
    "password={}\n",
    "spring.datasource.password={}\n",
    "    api_key=\"{}\",\n",
    "  const apiSecret = '{}';\n",
    "let access_token = \"{}\";\n",
    "private static final String PASSWORD = \"{}\";\n",
    "  AuthToken:    \"{}\",\n",
    "tool deploy --api-key {} --region eu\n",
    "tool deploy --password={} --region eu\n",
    "<password>{}</password>\n",
    "<add key=\"ApiSecret\" value=\"{}\" />\n",
    "      - POSTGRES_PASSWORD={}\n",
    "ENV MYSQL_ROOT_PASSWORD {}\n",
    "x-api-key: {}\n",
    "Server=db;Database=app;User Id=sa;Password={};Encrypt=true\n",
    "$env:ACCESS_TOKEN = \"{}\"\n",
    "conn.setPassword(\"{}\");\n",
    "os.environ[\"SECRET_TOKEN\"] = \"{}\"\n",
    "{\"log\":\"{\\\"password\\\":\\\"{}\\\"}\"}\n",
];

/// Secrets whose place is part of their form: the text, with `{}` for the secret.
const PLACED: &[(&str, &str, Draw)] = &[
    ("address", "DATABASE_URL=postgres://app:{}@db.internal:5432/app\n", |d| d.text(BASE62, 18)),
    ("address", "broker: amqp://svc:{}@mq.internal:5672/%2f\n", |d| d.text(BASE62, 14)),
    ("address", "git clone https://bot:{}@git.example.org/team/repo.git\n", |d| d.text(BASE62, 24)),
    ("address", "redis://:{}@cache.internal:6379/0\n", |d| d.text(BASE62, 20)),
    ("basic header", "Authorization: Basic {}\r\n", |d| base64(format!("alice:{}", d.password()).as_bytes())),
    ("bearer header", "  -H 'Authorization: Bearer {}' \\\n", |d| d.text(URL64, 40)),
    ("netrc", "machine git.example.org login alice password {}\n", |d| d.text(BASE62, 20)),
    ("pgpass", "db.internal:5432:app:app:{}\n", |d| d.text(BASE62, 18)),
    ("docker auth", "\t\t\"registry.example.org\": { \"auth\": \"{}\" }\n", |d| {
        base64(format!("bot:{}", d.text(BASE62, 24)).as_bytes())
    }),
    ("kubeconfig", "    client-key-data: {}\n", |d| {
        base64(format!("-----BEGIN RSA PRIVATE {}-----\n{}\n", "KEY", d.text(BASE64, 200)).as_bytes())
    }),
    ("htpasswd", "alice:{}\n", |d| format!("$2y$05${}", d.text("./ABCDEFGHIJabcdefghij0123456789", 53))),
    (
        "azure storage",
        "DefaultEndpointsProtocol=https;AccountName=app;AccountKey={};EndpointSuffix=core\n",
        |d| d.text(BASE64, 86) + "==",
    ),
    ("slack webhook", "curl -d @m.json https://hooks.slack.com/services/{}\n", |d| {
        format!("T{}/B{}/{}", d.text(BASE32, 8), d.text(BASE32, 8), d.text(BASE62, 24))
    }),
    ("age", "# public key: age1x\n{}\n", |d| {
        format!("AGE-SECRET-KEY-1{}", d.text("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58))
    }),
];

/// Keys of many lines.
const BLOCKS: &[(&str, &str)] = &[
    ("rsa key", "RSA PRIVATE KEY"),
    ("openssh key", "OPENSSH PRIVATE KEY"),
    ("pgp key", "PGP PRIVATE KEY BLOCK"),
    ("key", "PRIVATE KEY"),
];

fn block(dice: &mut Dice, words: &str) -> Planted {
    let lines: Vec<String> = (0..6 + dice.below(20)).map(|_| dice.text(BASE64, 64)).collect();
    let last = dice.text(BASE64, 30) + "==";
    let (begin, end) = (format!("-----BEGIN {words}-----"), format!("-----END {words}-----"));
    let secret = format!("{}\n{last}", lines.join("\n"));
    let text = match dice.below(5) {
        0 => format!("$ cat id\n{begin}\n{secret}\n{end}\n$\n"),
        1 => {
            let indented = secret.replace('\n', "\n    ");
            format!("data:\n  key: |\n    {begin}\n    {indented}\n    {end}\nkind: x\n")
        }
        2 => format!("{{\"key\": \"{begin}\\n{}\\n{end}\\n\", \"n\": 1}}\n", secret.replace('\n', "\\n")),
        3 => {
            let numbered = secret.lines().zip(2..).map(|(line, number)| format!("{number:>5}\t{line}\n"));
            format!("    1\t{begin}\n{}   99\t{end}\n  100\t\n", numbered.collect::<String>())
        }
        _ => {
            let added = secret.replace('\n', "\n+");
            format!("@@ -0,0 +1,9 @@\n+{begin}\n+{added}\n+{end}\n context\n")
        }
    };
    Planted { format: "private key block", secret, text }
}

/// A round: each format once in a place drawn for it, each place of named ones once.
pub(super) fn round(dice: &mut Dice) -> Vec<Planted> {
    let mut planted = Vec::new();
    let mut plant = |format, secret: String, place: &str| {
        let text = place.replacen("{}", &secret, 1);
        planted.push(Planted { format, secret, text });
    };
    for (format, make) in TOKENS {
        let place = *dice.one(ANYWHERE);
        plant(format, make(dice), place);
    }
    for place in BY_NAME {
        let (format, make) = dice.one(NAMED);
        plant(format, make(dice), place);
    }
    for (format, place, make) in PLACED {
        plant(format, make(dice), place);
    }
    for (_, words) in BLOCKS {
        planted.push(block(dice, words));
    }
    planted
}
