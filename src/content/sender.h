/*
 * content/sender.h
 *	  Who messages about a topic come from.
 */
#ifndef JO_SENDER_H
#define JO_SENDER_H

typedef struct JoSender
{
	char	   *topic;			/* '' is the default */
	char	   *name;
	char	   *postal_address; /* or NULL */
	char	   *base_url;		/* https, without a slash at its end; or NULL */
} JoSender;

/* Enter and leave a use of the cache of senders. */
extern void jo_sender_cache_begin(void);
extern void jo_sender_cache_end(void);

/*
 * The sender of a topic (NULL: of none): what was declared for it, filled up
 * from the default; NULL when neither is declared.  Valid until
 * jo_sender_cache_end().
 */
extern const JoSender *jo_sender_find(const char *topic);

extern void jo_sender_init(void);

#endif							/* JO_SENDER_H */
