/*
 * permission/token.c
 *	  Tokens: what a link in a message carries instead of an address or an id.
 *
 * A token is made while a message is rendered, where nothing may be written, so
 * it carries its content, enciphered.  The composition is SIV (Rogaway and
 * Shrimpton, 2006): tag = HMAC-SHA-256 of header and content, cut to 16 bytes;
 * ciphertext = AES-256-CTR of the content with the tag as initial counter.  It
 * needs no random number, so that a message that is rendered again is the same,
 * and a changed bit anywhere gives another tag.  A tag of 128 bits cannot be
 * guessed.  The two keys are derived from one secret of table secret_key.
 *
 * Layout before base64url: version (1), key id (4), tag (16), ciphertext.
 * Content: purpose (1), expiry (8), reference (8), bytes of channel, topic (1
 * each; 255: none), of the customer id (2), these strings in UTF-8, and zeros
 * up to a multiple of 16, so that the length tells little.
 *
 * A token that is good says who and what, and nothing else: what it may do is
 * decided by the state at the time, so that replaying one does no harm, and no
 * token brings back a consent that was withdrawn.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"

#include "core/clock.h"
#include "core/errors.h"
#include "core/key.h"
#include "permission/token.h"

#define TOKEN_VERSION	1
#define HEADER_BYTES	5		/* version, key id */
#define TAG_BYTES		16
#define FIXED_BYTES		21		/* of the content, before the strings */
#define BLOCK_BYTES		16
#define NO_NAME			255
#define NAME_BYTES		200
#define CUSTOMER_BYTES	1000	/* as for events */

/* No token is longer: names and id in UTF-8, and base64 over it. */
#define TEXT_BYTES_MOST	4096

static const char alphabet[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* ---- base64url ---- */

static char *
encode(const uint8 *bytes, int length)
{
	char	   *text = palloc(length * 4 / 3 + 3);
	char	   *to = text;
	uint32		bits = 0;
	int			nbits = 0;

	for (int i = 0; i < length; i++)
	{
		bits = bits << 8 | bytes[i];
		for (nbits += 8; nbits >= 6; nbits -= 6)
			*to++ = alphabet[bits >> (nbits - 6) & 63];
	}
	if (nbits > 0)
		*to++ = alphabet[bits << (6 - nbits) & 63];
	*to = '\0';
	return text;
}

/*
 * The bytes of a text, or NULL when it is no base64url, or one of several
 * spellings of the same bytes: a token has one text.
 */
static uint8 *
decode(const char *text, int *length)
{
	uint8	   *bytes = palloc(strlen(text) + 1);
	uint32		bits = 0;
	int			nbits = 0;

	*length = 0;
	for (const char *c = text; *c != '\0'; c++)
	{
		const char *place = strchr(alphabet, *c);

		if (place == NULL)
			return NULL;
		bits = bits << 6 | (uint32) (place - alphabet);
		nbits += 6;
		if (nbits >= 8)
		{
			nbits -= 8;
			bytes[(*length)++] = bits >> nbits & 255;
		}
	}
	if (nbits >= 6 || (bits & ((1u << nbits) - 1)) != 0)
		return NULL;
	return bytes;
}

/* ---- cryptography ---- */

/* The tag of header and content, which stand one behind the other. */
static void
compute_tag(const JoKey *key, const uint8 *header_and_content, int length,
			uint8 *tag)
{
	uint8		mac_key[JO_KEY_BYTES];
	uint8		mac[JO_KEY_BYTES];

	jo_key_derive(key->secret, "journey_orch token authentication", mac_key);
	jo_hmac(mac_key, header_and_content, length, mac);
	memcpy(tag, mac, TAG_BYTES);
}

/* AES-256-CTR from "from" to "to"; its own inverse. */
static void
encipher(const JoKey *key, const uint8 *tag, const uint8 *from, int length,
		 uint8 *to)
{
	uint8		cipher_key[JO_KEY_BYTES];
	EVP_CIPHER_CTX *context;
	int			done = 0;
	bool		is_ok;

	jo_key_derive(key->secret, "journey_orch token encryption", cipher_key);
	context = EVP_CIPHER_CTX_new();
	is_ok = context != NULL &&
		EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), NULL, cipher_key, tag) == 1 &&
		EVP_EncryptUpdate(context, to, &done, from, length) == 1 &&
		done == length;
	EVP_CIPHER_CTX_free(context);
	if (!is_ok)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not encipher a token")));
}

/* ---- content ---- */

static char *
to_utf8(const char *string)
{
	return pg_server_to_any(string, strlen(string), PG_UTF8);
}

/* Append the length of an optional name. */
static void
append_name_length(StringInfo content, const char *name)
{
	size_t		length = name == NULL ? 0 : strlen(name);

	if (length > NAME_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name \"%s\" is longer than %d bytes",
						jo_clipped(name), NAME_BYTES)));
	pq_sendbyte(content, name == NULL ? NO_NAME : length);
}

/* Append the content of a token, up to a whole block. */
static void
append_content(StringInfo content, const JoToken *token)
{
	int			begin = content->len;
	char	   *customer = to_utf8(token->customer_id);
	char	   *channel = token->channel == NULL ? NULL : to_utf8(token->channel);
	char	   *topic = token->topic == NULL ? NULL : to_utf8(token->topic);

	if (strlen(customer) > CUSTOMER_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("customer id is longer than %d bytes", CUSTOMER_BYTES)));
	pq_sendbyte(content, token->purpose);
	pq_sendint64(content, token->expires);
	pq_sendint64(content, token->reference);
	append_name_length(content, channel);
	append_name_length(content, topic);
	pq_sendint16(content, strlen(customer));
	if (channel != NULL)
		appendStringInfoString(content, channel);
	if (topic != NULL)
		appendStringInfoString(content, topic);
	appendStringInfoString(content, customer);
	while ((content->len - begin) % BLOCK_BYTES != 0)
		pq_sendbyte(content, 0);
}

char *
jo_token_make_from(const JoToken *token)
{
	StringInfoData plain;
	uint8	   *bytes;
	int			length;
	JoKey		key;

	jo_key_newest(JO_KEY_TOKEN, &key);
	initStringInfo(&plain);
	pq_sendbyte(&plain, TOKEN_VERSION);
	pq_sendint32(&plain, key.key_id);
	append_content(&plain, token);
	length = plain.len - HEADER_BYTES;

	bytes = palloc(plain.len + TAG_BYTES);
	memcpy(bytes, plain.data, HEADER_BYTES);
	compute_tag(&key, (uint8 *) plain.data, plain.len, bytes + HEADER_BYTES);
	encipher(&key, bytes + HEADER_BYTES, (uint8 *) plain.data + HEADER_BYTES,
			 length, bytes + HEADER_BYTES + TAG_BYTES);
	return encode(bytes, plain.len + TAG_BYTES);
}

char *
jo_token_make(JoTokenPurpose purpose, const char *customer_id,
			  const char *channel, const char *topic, TimestampTz expires)
{
	JoToken		token = {0};

	token.purpose = purpose;
	token.customer_id = unconstify(char *, customer_id);
	token.channel = unconstify(char *, channel);
	token.topic = unconstify(char *, topic);
	token.expires = expires;
	return jo_token_make_from(&token);
}

TimestampTz
jo_token_expiry(TimestampTz now)
{
	return now - now % USECS_PER_DAY + (JO_TOKEN_DAYS + 1) * USECS_PER_DAY;
}

/* The next "length" bytes of the content, in the server encoding. */
static char *
take_string(StringInfo content, int length)
{
	return pg_any_to_server(pnstrdup(pq_getmsgbytes(content, length), length),
							length, PG_UTF8);
}

/* Take apart a content that is proven to be ours. */
static void
read_content(StringInfo content, JoToken *token)
{
	int			channel;
	int			topic;
	int			customer;

	token->purpose = pq_getmsgbyte(content);
	token->expires = pq_getmsgint64(content);
	token->reference = pq_getmsgint64(content);
	channel = pq_getmsgbyte(content);
	topic = pq_getmsgbyte(content);
	customer = pq_getmsgint(content, 2);
	token->channel = channel == NO_NAME ? NULL : take_string(content, channel);
	token->topic = topic == NO_NAME ? NULL : take_string(content, topic);
	token->customer_id = take_string(content, customer);
}

/*
 * The tag is looked at before anything of the content is, in a time that does
 * not depend on where it differs.
 */
JoTokenFault
jo_token_read(const char *text, TimestampTz now, JoToken *token)
{
	int			length;
	int			content_length;
	uint8	   *bytes;
	uint8	   *plain;
	uint8		tag[TAG_BYTES];
	uint32		key_id;
	JoKey		key;
	StringInfoData content;

	if (strlen(text) > TEXT_BYTES_MOST)
		return JO_TOKEN_INVALID;
	bytes = decode(text, &length);
	content_length = length - HEADER_BYTES - TAG_BYTES;
	if (bytes == NULL || content_length < FIXED_BYTES ||
		bytes[0] != TOKEN_VERSION)
		return JO_TOKEN_INVALID;
	memcpy(&key_id, bytes + 1, sizeof(key_id));
	if (!jo_key_find(JO_KEY_TOKEN, (int32) pg_ntoh32(key_id), &key) ||
		key.is_revoked)
		return JO_TOKEN_INVALID;

	plain = palloc(HEADER_BYTES + content_length + 1);
	memcpy(plain, bytes, HEADER_BYTES);
	encipher(&key, bytes + HEADER_BYTES, bytes + HEADER_BYTES + TAG_BYTES,
			 content_length, plain + HEADER_BYTES);
	compute_tag(&key, plain, HEADER_BYTES + content_length, tag);
	if (CRYPTO_memcmp(tag, bytes + HEADER_BYTES, TAG_BYTES) != 0)
		return JO_TOKEN_INVALID;

	content.data = (char *) plain + HEADER_BYTES;
	content.len = content_length;
	content.maxlen = content_length + 1;
	content.cursor = 0;
	read_content(&content, token);
	return token->expires != JO_NO_TIME && token->expires <= now ?
		JO_TOKEN_EXPIRED : JO_TOKEN_GOOD;
}

void
jo_token_get(const char *text, JoTokenPurpose purpose, JoTokenPurpose other,
			 JoToken *token)
{
	JoTokenFault fault = jo_token_read(text, jo_clock_now(), token);

	if (fault != JO_TOKEN_INVALID &&
		token->purpose != purpose && token->purpose != other)
		fault = JO_TOKEN_INVALID;
	if (fault == JO_TOKEN_INVALID)
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_TOKEN),
				 errmsg("the token is not valid"),
				 errdetail("It was not made here for this, or not all of it arrived, or its key was revoked.")));
	if (fault == JO_TOKEN_EXPIRED)
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_TOKEN),
				 errmsg("the token has expired"),
				 errhint("Ask for a new message.")));
}
