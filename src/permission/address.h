/*
 * permission/address.h
 *	  An address as a keyed hash: what suppression compares.
 */
#ifndef JO_ADDRESS_H
#define JO_ADDRESS_H

#define JO_ADDRESS_HASH_BYTES 32

/*
 * The form in which addresses are the same, in CurrentMemoryContext; docs/
 * consent.md describes it.  Blanks around it go.  With an "@" (e-mail): ASCII
 * letters in lower case.  Nothing but digits, blanks, tabs and "+-.()/", with
 * five digits or more (telephone): its digits, and a "+" before them if one
 * came first.  Anything else stays as it is.
 */
extern char *jo_address_normalized(const char *address);

/*
 * The keyed hash of an address, a bytea of JO_ADDRESS_HASH_BYTES in
 * CurrentMemoryContext: HMAC-SHA-256, with the database's own key, of the
 * SHA-256 of the normalized address in UTF-8.  It is the same on every channel,
 * because suppression may be global.  NULL for an address that is empty.
 */
extern bytea *jo_address_hash(const char *address);

/* The same from the SHA-256, for lists that come without addresses. */
extern bytea *jo_address_hash_of_sha256(const uint8 *sha256);

#endif							/* JO_ADDRESS_H */
