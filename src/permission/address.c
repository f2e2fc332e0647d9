/*
 * permission/address.c
 *	  An address as a keyed hash: what suppression compares.
 *
 * The hash is of the address's SHA-256, so that a list of plain SHA-256 values,
 * which is how suppression lists are handed on without addresses, can be taken
 * over.  What is stored is useless without the key.
 *
 * The key of addresses is never changed: nothing has the addresses to compute
 * the hashes again.
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "core/compat.h"
#include "core/key.h"
#include "permission/address.h"

#define PHONE_DIGITS_LEAST 5

/* Blanks, as any locale has them. */
#define BLANKS " \t\r\n\f\v"

static bool
is_phone(const char *address)
{
	int			digits = 0;

	for (const char *c = address; *c != '\0'; c++)
	{
		if (*c >= '0' && *c <= '9')
			digits++;
		else if (strchr(" \t+-.()/", *c) == NULL)
			return false;
	}
	return digits >= PHONE_DIGITS_LEAST;
}

/* Keep the digits of a telephone number, and a "+" that comes first. */
static void
keep_digits(char *address)
{
	char	   *to = address;

	for (const char *c = address; *c != '\0'; c++)
		if ((*c >= '0' && *c <= '9') || (*c == '+' && to == address))
			*to++ = *c;
	*to = '\0';
}

char *
jo_address_normalized(const char *address)
{
	char	   *result = pstrdup(address + strspn(address, BLANKS));
	size_t		length = strlen(result);

	while (length > 0 && strchr(BLANKS, result[length - 1]) != NULL)
		result[--length] = '\0';
	if (strchr(result, '@') != NULL)
	{
		for (char *c = result; *c != '\0'; c++)
			*c = pg_ascii_tolower((unsigned char) *c);
	}
	else if (is_phone(result))
		keep_digits(result);
	return result;
}

bytea *
jo_address_hash_of_sha256(const uint8 *sha256)
{
	bytea	   *hash = palloc(VARHDRSZ + JO_ADDRESS_HASH_BYTES);
	JoKey		key;

	SET_VARSIZE(hash, VARHDRSZ + JO_ADDRESS_HASH_BYTES);
	jo_key_newest(JO_KEY_ADDRESS, &key);
	jo_hmac(key.secret, sha256, PG_SHA256_DIGEST_LENGTH,
			(uint8 *) VARDATA(hash));
	return hash;
}

bytea *
jo_address_hash(const char *address)
{
	char	   *normalized = jo_address_normalized(address);
	char	   *utf8;
	uint8		sha256[PG_SHA256_DIGEST_LENGTH];
	pg_cryptohash_ctx *context;
	bool		is_ok;

	if (normalized[0] == '\0')
		return NULL;
	utf8 = pg_server_to_any(normalized, strlen(normalized), PG_UTF8);
	context = pg_cryptohash_create(PG_SHA256);
	is_ok = context != NULL && pg_cryptohash_init(context) >= 0 &&
		pg_cryptohash_update(context, (const uint8 *) utf8, strlen(utf8)) >= 0 &&
		pg_cryptohash_final(context, sha256, sizeof(sha256)) >= 0;
	if (context != NULL)
		pg_cryptohash_free(context);
	if (!is_ok)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a SHA-256")));
	return jo_address_hash_of_sha256(sha256);
}
