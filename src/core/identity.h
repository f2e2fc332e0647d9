/*
 * core/identity.h
 *	  Ids that are computed, never drawn: a batch that is redone after a crash
 *	  gives every enrollment and message the id it had before.
 */
#ifndef JO_IDENTITY_H
#define JO_IDENTITY_H

#include "utils/uuid.h"

/*
 * The incarnation of this database's logs: the newest row of table
 * "incarnation".  xids and snapshots of other incarnations are not comparable
 * with ours.
 */
extern int32 jo_incarnation(void);

/* Append the first incarnation if there is none (called by jo_leaf_ensure). */
extern void jo_incarnation_ensure(void);

/* Id of the run that journey "journey_id" starts because of event "event_id". */
extern void jo_enrollment_id(pg_uuid_t *result, int32 journey_id, int64 event_id);

/* Id of the message of one visit of a step; the same in all attempts. */
extern void jo_message_id(pg_uuid_t *result, const pg_uuid_t *enrollment_id,
						  int32 visit);

/*
 * Bucket of an experiment's unit: first 8 bytes (big-endian) of
 * SHA-256("experiment:salt:unit") mod 10,000 (reliability.md A10).
 */
extern int	jo_bucket(const char *experiment, const char *salt, const char *unit);

#endif							/* JO_IDENTITY_H */
