/*
 * core/key.h
 *	  The database's own secret keys, and what is computed with them.
 *
 * A key is made with the leaves, by the first declaring call, and dumped with
 * the database: what was computed before a restore matches after it.  Secrets
 * stay in C: they are never in a statement, a message or a log.
 */
#ifndef JO_KEY_H
#define JO_KEY_H

#define JO_KEY_BYTES	32		/* of a secret, and of an HMAC-SHA-256 */

/* What a secret is for; no secret serves two purposes. */
typedef enum JoKeyPurpose
{
	JO_KEY_ADDRESS,				/* one for ever: hashes have no original */
	JO_KEY_TOKEN				/* the newest signs; older ones still read */
} JoKeyPurpose;

typedef struct JoKey
{
	int32		key_id;
	JoKeyPurpose purpose;
	bool		is_revoked;		/* reads no more */
	uint8		secret[JO_KEY_BYTES];
} JoKey;

/*
 * Copy the newest key of a purpose to "*key"; raises 55000 when nothing was
 * declared in this database yet.  jo_key_find() is false for an unknown id.
 */
extern void jo_key_newest(JoKeyPurpose purpose, JoKey *key);
extern bool jo_key_find(JoKeyPurpose purpose, int32 key_id, JoKey *key);

/*
 * Make a new key of JO_KEY_TOKEN that signs from commit on; returns its id.
 * "revokes": the older ones read no more.
 */
extern int32 jo_key_rotate(bool revokes);

/* HMAC-SHA-256 of "length" bytes under a key of JO_KEY_BYTES. */
extern void jo_hmac(const uint8 *key, const void *data, size_t length,
					uint8 *result);

/* The key that "secret" gives for one use, named by "label". */
extern void jo_key_derive(const uint8 *secret, const char *label,
						  uint8 *result);

#endif							/* JO_KEY_H */
