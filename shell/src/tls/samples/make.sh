#!/bin/sh
# Makes the files that shell/src/tls/pem.rs is tested with, by OpenSSL 3. Nothing trusts them.
set -eu
days=36500
openssl ecparam -genkey -name prime256v1 -out ec.key
openssl req -x509 -new -key ec.key -days $days -subj "/CN=sample" -addext "subjectAltName=DNS:sample.test" -out self.pem
openssl x509 -in self.pem -text -out text.pem
openssl x509 -in self.pem -trustout -addtrust serverAuth -setalias sample -out trusted.pem
openssl x509 -in self.pem -outform der -out self.der
openssl req -new -key ec.key -subj "/CN=version one" -out request.pem
openssl x509 -req -in request.pem -signkey ec.key -days $days -out v1.pem 2>/dev/null
openssl crl2pkcs7 -nocrl -certfile self.pem -out self.p7b
openssl crl2pkcs7 -nocrl -certfile self.pem -outform der -out self.p7c
openssl pkcs12 -export -in self.pem -inkey ec.key -passout pass:hunter2 -out self.p12
openssl pkcs8 -topk8 -in ec.key -passout pass:hunter2 -out encrypted.key
openssl ec -in ec.key -aes128 -passout pass:hunter2 -out legacy-encrypted.key 2>/dev/null
openssl pkcs8 -topk8 -nocrypt -in ec.key -out pkcs8.key
openssl pkey -in ec.key -outform der -out ec.der
openssl genrsa -traditional -out rsa.key 2048 2>/dev/null
openssl ecparam -genkey -noout -name secp521r1 -out p521.key
