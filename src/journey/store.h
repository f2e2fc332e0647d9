/*
 * journey/store.h
 *	  Stored journeys and versions, as the authors' functions see them.
 */
#ifndef JO_STORE_H
#define JO_STORE_H

#include "journey/journey.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

typedef struct JoStoredJourney
{
	int32		journey_id;
	Oid			owner;
	int32		newest;			/* version, 0: none */
} JoStoredJourney;

/* False when there is no journey of this name. */
extern bool jo_find_journey(const char *name, JoStoredJourney *journey);

/* As above; raises 42704 when there is none. */
extern void jo_get_journey(const char *name, JoStoredJourney *journey);

/* Raises 42501 unless the current user is the owner, or a member. */
extern void jo_ensure_journey_owner(const char *name,
									const JoStoredJourney *journey);

/*
 * The definition of a version; 0 means the newest.  Sets *version; raises
 * 42704 when it does not exist.
 */
extern Jsonb *jo_get_definition(const char *name,
								const JoStoredJourney *journey, int32 *version);

/* The version that was published last, or 0. */
extern int32 jo_find_published(const JoStoredJourney *journey);

/* The version that has this canonical hash, or 0. */
extern int32 jo_find_version(const JoStoredJourney *journey, Datum hash);

/* Insert a journey; fills *journey. */
extern void jo_insert_journey(const char *name, Oid owner,
							  JoStoredJourney *journey);

/* Insert the next version; returns its number. */
extern int32 jo_insert_version(const JoStoredJourney *journey,
							   Jsonb *definition, Datum hash);

/* Insert the steps of a version that was just inserted. */
extern void jo_insert_steps(const JoStoredJourney *journey, int32 version,
							const JoGraph *graph);

/* Insert an act; "version" 0: it names none. */
extern void jo_insert_publication(const JoStoredJourney *journey,
								  const char *act, int32 version, int64 seq,
								  Jsonb *policy, TimestampTz at);

/*
 * review.c: under journey_orch.require_review, raise 55000 unless the version
 * and the templates that its graph sends are approved.
 */
extern void jo_ensure_approved(const char *name,
							   const JoStoredJourney *journey, int32 version,
							   const JoGraph *graph);

#endif							/* JO_STORE_H */
