/*
 * permission/place.h
 *	  Where a message arrives: in which zones it may be, and in which region.
 */
#ifndef JO_PERMISSION_PLACE_H
#define JO_PERMISSION_PLACE_H

#include "pgtime.h"

#include "permission/evidence.h"
#include "permission/permission.h"

/* Zones of one prefix, and more than any country has. */
#define JO_PLACE_ZONES 32

typedef struct JoPlace
{
	int			n;				/* candidate zones, at least one */
	const char *names[JO_PLACE_ZONES];
	pg_tz	   *zones[JO_PLACE_ZONES];
	const char *known_by;		/* customer, phone, journey, default */
	const char *region;			/* or NULL; of a phone only the country */
} JoPlace;

/*
 * Find the candidate zones: the customer's own, else those of the prefix of
 * his phone number, else the journey's, else UTC.  Loads the customer's row
 * where the question does not tell his place.  In CurrentMemoryContext.
 */
extern void jo_place_find(const JoGateQuestion *question, JoPlace *place);

/*
 * Is a rule of that region (NULL: of any) about him?  One of a country is also
 * when nothing is known of where he is; one of a part of it is not.
 */
extern bool jo_place_is_in(const JoPlace *place, const char *region);

/* Add zones, zones_from and region. */
extern void jo_place_tell(const JoPlace *place, JoEvidence *evidence);

extern void jo_place_init(void);

#endif							/* JO_PERMISSION_PLACE_H */
