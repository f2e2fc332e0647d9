/*
 * core/identity.h
 *	  Ids that are computed, never drawn: a batch that is redone after a crash
 *	  gives every enrollment and message the id it had before.
 */
#ifndef JO_IDENTITY_H
#define JO_IDENTITY_H

#include "utils/uuid.h"

/*
 * The incarnation that rows written now belong to.  xids and snapshots of
 * other incarnations are not comparable with ours.  It is the newest row of
 * table "incarnation"; in a copy that nobody adopted yet it is the number
 * after that, which adopt() will append.  Raises 55000 when there is none.
 */
extern int32 jo_incarnation(void);

/*
 * False in a copy (another cluster or database than the newest incarnation
 * says) until adopt(): then nobody may read the logs or hand anything out.
 * True where there is none yet.
 */
extern bool jo_incarnation_is_adopted(void);

/* Append the first incarnation if there is none (called by jo_leaf_ensure). */
extern void jo_incarnation_ensure(void);

/*
 * Id of the run that journey "journey_id" starts because of event "event_id".
 * Distinct for distinct arguments within a database; the cluster and the
 * database are mixed in, so that two installations that share a provider
 * account never use the same id.
 */
extern void jo_enrollment_id(pg_uuid_t *result, int32 journey_id, int64 event_id);

/* Id of the message of one visit of a step; the same in all attempts. */
extern void jo_message_id(pg_uuid_t *result, const pg_uuid_t *enrollment_id,
						  int32 visit);

/* First 8 bytes (big-endian) of SHA-256("experiment:salt:unit"). */
extern uint64 jo_unit_hash(const char *experiment, const char *salt,
						   const char *unit);

/*
 * Bucket of an experiment's unit: jo_unit_hash() mod 10,000 (reliability.md
 * A10).
 */
extern int	jo_bucket(const char *experiment, const char *salt, const char *unit);

#endif							/* JO_IDENTITY_H */
