/*
 * permission/token.h
 *	  Tokens: what a link in a message carries instead of an address or an id.
 *
 * A token is base64url text without padding.  It says nothing to who has not
 * the database's key, and cannot be made or changed without it (token.c).  The
 * same content under the same key is the same text.
 */
#ifndef JO_TOKEN_H
#define JO_TOKEN_H

#include "datatype/timestamp.h"

/* What a token may be used for; written into tokens, so never renumbered. */
typedef enum JoTokenPurpose
{
	JO_TOKEN_UNSUBSCRIBE = 1,	/* unsubscribe() */
	JO_TOKEN_PREFERENCES = 2,	/* preferences(), set_preference() */
	JO_TOKEN_CONFIRM = 3		/* confirm_consent() */
} JoTokenPurpose;

/* Tokens in messages are good for at least this many days (CASL asks for 60). */
#define JO_TOKEN_DAYS 400

typedef struct JoToken
{
	JoTokenPurpose purpose;
	char	   *customer_id;
	char	   *channel;		/* NULL: any */
	char	   *topic;			/* NULL: any */
	TimestampTz expires;		/* engine clock; JO_NO_TIME: never */
	int64		reference;		/* the request it confirms; 0: none */
} JoToken;

/*
 * The text of a token, in CurrentMemoryContext.  Writes nothing.  Raises 55000
 * when the database has no key yet, and 22023 when a name is longer than 200
 * bytes.
 */
extern char *jo_token_make(JoTokenPurpose purpose, const char *customer_id,
						   const char *channel, const char *topic,
						   TimestampTz expires);
extern char *jo_token_make_from(const JoToken *token);

/* When a token in a message of this instant ends: the same for a whole day. */
extern TimestampTz jo_token_expiry(TimestampTz now);

typedef enum JoTokenFault
{
	JO_TOKEN_GOOD,
	JO_TOKEN_INVALID,			/* not made here, changed, or its key revoked */
	JO_TOKEN_EXPIRED
} JoTokenFault;

/*
 * Read a token that somebody has presented at "now"; "*token" is filled when
 * it is good or expired, in CurrentMemoryContext.  Never raises for what the
 * text is.
 */
extern JoTokenFault jo_token_read(const char *text, TimestampTz now,
								  JoToken *token);

/*
 * The token of one of two purposes that "text" is at the engine clock; raises
 * JO009 when it is none, or its time is over.  The message never repeats it.
 */
extern void jo_token_get(const char *text, JoTokenPurpose purpose,
						 JoTokenPurpose other, JoToken *token);

#endif							/* JO_TOKEN_H */
