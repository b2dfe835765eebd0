#!/bin/bash
# certificates.sh - certificates with one fault each, made once in the cache: NAME.pem (what a server sends),
# NAME.key. ca.pem is what clients are told to trust.
. "$(dirname "$0")/common.sh"

[ ! -e "$certificates/.complete" ] || exit 0
rm -rf "$certificates"
mkdir -p "$certificates"
cd "$certificates" || exit

# Every host name of servers/zones.sh that is met over TLS.
names="DNS:*.lab.test,DNS:*.good.test,DNS:*.secure.test"
for domain in guess self-signed expired wrong-host incomplete full-chain untrusted clear optional; do
    names=$names,DNS:imap.$domain.test
done

cat >openssl.cnf <<'C'
[req]
distinguished_name = nothing
[nothing]
[ca]
default_ca = signer
[signer]
database = $ENV::SIGNER.index
new_certs_dir = .
certificate = $ENV::SIGNER.pem
private_key = $ENV::SIGNER.key
default_md = sha256
policy = policy
unique_subject = no
rand_serial = yes
[policy]
commonName = supplied
[authority]
basicConstraints = critical, CA:true
keyUsage = keyCertSign, cRLSign
[server]
basicConstraints = CA:false
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = $ENV::NAMES
[server_below]
basicConstraints = CA:false
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = $ENV::NAMES
authorityInfoAccess = caIssuers;URI:http://ca.lab.test/intermediate.crt
C

new_key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config openssl.cnf)
export SIGNER=ca NAMES=$names

# self_signed NAME EXTENSIONS
self_signed() {
    : >"$1.index"
    openssl req -x509 "${new_key[@]}" -keyout "$1.key" -out "$1.pem" -days 7300 -subj "/CN=Interop $1" \
        -extensions "$2" 2>/dev/null
}
# signed NAME SIGNER EXTENSIONS FIRST-YEAR LAST-YEAR
signed() {
    : >"$1.index"
    SIGNER=$2 openssl req -new "${new_key[@]}" -keyout "$1.key" -out "$1.csr" -subj "/CN=Interop $1" 2>/dev/null
    SIGNER=$2 openssl ca -batch -config openssl.cnf -extensions "$3" -startdate "${4}0101000000Z" \
        -enddate "${5}0101000000Z" -in "$1.csr" -out "$1.pem" -notext 2>/dev/null
}
self_signed ca authority
self_signed stranger authority
self_signed self-signed server
signed intermediate ca authority 2024 2045
signed valid ca server 2024 2045
signed expired ca server 2019 2020
signed untrusted stranger server 2024 2045
signed incomplete intermediate server_below 2024 2045
NAMES=DNS:elsewhere.test signed wrong-host ca server 2024 2045
cat incomplete.pem intermediate.pem >full-chain.pem
cp incomplete.key full-chain.key
rm -f -- *.csr *.index* [0-9A-F]*.pem
chmod 644 -- *.key # of no value, and read by daemons under their own users
touch .complete
