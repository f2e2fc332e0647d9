/*
 * core/lane.h
 *	  Lanes: hash slices of customers with one writer each.
 *
 * The lane of a customer is part of the stored data (it is the partition key
 * of every per-customer table), so the hash is ours, documented in
 * docs/concepts.md with test vectors, and never changes.  PostgreSQL's own
 * hash functions differ by endianness and may change between majors.
 */
#ifndef JO_LANE_H
#define JO_LANE_H

#include "storage/lock.h"

/* Fixed at CREATE EXTENSION; a power of two. */
#define JO_LANES 16

/* All of them, as a bit set. */
#define JO_EVERY_LANE (PG_UINT32_MAX >> (32 - JO_LANES))

/* 64-bit hash of the UTF-8 bytes of a customer id. */
extern uint64 jo_lane_hash(const char *bytes, int length);

/* Lane of a customer id given in the server encoding: 0 .. JO_LANES - 1. */
extern int	jo_lane_of(const char *customer, int length);
extern int	jo_lane_of_text(const text *customer);

/*
 * Advisory locks of ours, told apart from pg_advisory_lock()'s by the fourth
 * field of the tag.  "key" is a lane for JO_LOCK_LANE, a hash of the name for
 * JO_LOCK_CHANNEL and JO_LOCK_NAME, the low half of the claim_id for
 * JO_LOCK_CLAIM, the last byte of the message_id (from 256 on a hash of the
 * provider's id) for JO_LOCK_REPORT, the journey_id, or 0 for all, for JO_LOCK_CAP, the journey_id for
 * JO_LOCK_FAN_OUT, 0 or 1 for JO_LOCK_FREQUENCY_CAP, 0 otherwise.
 */
typedef enum JoLockKind
{
	JO_LOCK_LANE = 1,			/* the one writer of a lane */
	JO_LOCK_CHANNEL,			/* one claim at a time in a channel */
	JO_LOCK_SETUP,				/* creation of leaves, upkeep */
	JO_LOCK_SUPERVISOR,			/* one supervisor a database */
	JO_LOCK_NAME,				/* one author at a time for a name */
	JO_LOCK_CLAIM,				/* one ack, nack, extend or expiry of a claim */
	JO_LOCK_REPORT,				/* one report on a message at a time */
	JO_LOCK_CAP,				/* entries into a journey near its cap */
	JO_LOCK_FAN_OUT,			/* one worker at a time tells an audience */
	JO_LOCK_FREQUENCY_CAP		/* declarations of caps (0); claims under caps
								 * that span channels (1) */
} JoLockKind;

/* Take (until the end of the transaction) an exclusive lock; wait for it. */
extern void jo_lock(JoLockKind kind, uint32 key);

/* The same without waiting; false when somebody else holds it. */
extern bool jo_lock_conditional(JoLockKind kind, uint32 key);

/* Many may hold a shared one, none beside an exclusive one.  Letting go of it
 * before the end of the transaction is for who did nothing under it. */
extern void jo_lock_shared(JoLockKind kind, uint32 key);
extern void jo_unlock_shared(JoLockKind kind, uint32 key);

/* The exclusive one, held until the process ends, if nobody else holds it. */
extern bool jo_lock_session_conditional(JoLockKind kind, uint32 key);

/* Key of a name for jo_lock(). */
extern uint32 jo_lock_key(const char *name);

#endif							/* JO_LANE_H */
