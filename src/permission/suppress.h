/*
 * permission/suppress.h
 *	  Telling gate "suppression" that nothing goes to an address.
 */
#ifndef JO_SUPPRESS_H
#define JO_SUPPRESS_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

typedef struct JoSuppression
{
	const char *address;		/* hashed at once, never stored */
	const char *channel;		/* NULL: all */
	const char *topic;			/* NULL: all */
	const char *reason;			/* hard_bounce, complaint, manual, legal,
								 * role_account, unsubscribed, erased */
	TimestampTz expires_at;		/* engine clock; JO_NO_TIME: never */
	const char *source;			/* who says so, or NULL */
	Jsonb	   *detail;			/* an object, or NULL */
} JoSuppression;

/*
 * Suppress, in the caller's transaction and with the extension's rights;
 * returns the suppression_id.  One that is live already is kept, with the later
 * of the two expiries.  Returns 0 for an empty address.
 */
extern int64 jo_suppress(const JoSuppression *suppression);

#endif							/* JO_SUPPRESS_H */
