#include "base/token.h"

#include "base/crypto.h"

void token_make(struct buf *text, struct buf *hash_hex)
{
	struct buf coded AUTO_BUF = { 0 };
	uint8_t bytes[32], hash[32];

	crypto_random(bytes, sizeof(bytes));
	crypto_base64((struct span){ (const char *)bytes, sizeof(bytes) }, &coded);
	buf_addz(text, "cm_");
	for (size_t i = 0; i < coded.n && coded.p[i] != '='; i++)
		buf_addc(text, coded.p[i] == '+' ? '-' : coded.p[i] == '/' ? '_' : coded.p[i]);
	crypto_sha256(buf_span(text), hash);
	crypto_hex((struct span){ (const char *)hash, sizeof(hash) }, hash_hex);
}
