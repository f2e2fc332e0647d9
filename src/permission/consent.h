/*
 * permission/consent.h
 *	  What a customer has said about messages of a channel and topic.
 */
#ifndef JO_CONSENT_H
#define JO_CONSENT_H

#include "datatype/timestamp.h"

#include "permission/probe.h"

typedef enum JoConsentState
{
	JO_CONSENT_UNKNOWN,			/* nothing was ever said */
	JO_CONSENT_PENDING,			/* asked, not yet confirmed */
	JO_CONSENT_GRANTED,
	JO_CONSENT_DENIED,
	JO_CONSENT_WITHDRAWN,
	JO_CONSENT_EXPIRED
} JoConsentState;

typedef struct JoConsent
{
	JoConsentState state;
	bool		was_stopped;	/* denied or withdrawn before, whatever came
								 * of an answer after it that is over */
	bool		names_topic;	/* the row that decides is not about all
								 * topics */
	bool		is_written;		/* a row that grants it was given in writing */
	int64		consent_id;		/* the row that decides; 0: none */
} JoConsent;

/*
 * The state for a channel and a topic (NULL: what was said about all) as the
 * rows of the probe, one on customer_id of table consent, tell at "as_of".
 * JO_NO_TIME: now, with "clock" for what expires.
 */
extern void jo_consent_read(JoProbe *probe, const char *customer_id,
							const char *channel, const char *topic,
							TimestampTz as_of, TimestampTz clock,
							JoConsent *consent);

extern const char *jo_consent_state_name(JoConsentState state);

#endif							/* JO_CONSENT_H */
