/*
 * permission/scope.h
 *	  Which messages a rule is about.
 *
 * A scope is a JSON object with any of "channel", "topic", "class" and
 * "journey", each a string or an array of strings; a message is covered when
 * every member names what it is.  {} covers every message, but of the classes
 * only marketing and service: transactional must be named, and nothing covers
 * legal.
 */
#ifndef JO_PERMISSION_SCOPE_H
#define JO_PERMISSION_SCOPE_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

#include "permission/permission.h"

/* Lists of char *; NIL: any. */
typedef struct JoRuleScope
{
	List	   *channels;
	List	   *topics;
	List	   *journeys;
	uint32		classes;		/* bits 1 << JoTopicClass */
} JoRuleScope;

/* Read a scope into CurrentMemoryContext; raises 22023 for one that is none. */
extern void jo_scope_read(Jsonb *object, JoRuleScope *scope);

/* Is a message of that channel, topic (or NULL) and journey (or NULL) covered? */
extern bool jo_scope_covers(const JoRuleScope *scope, const char *channel,
							const char *topic, const char *journey);

/* Does it name one channel and no other? */
extern bool jo_scope_is_of_one_channel(const JoRuleScope *scope);

/* Could a message of that channel be covered? */
extern bool jo_scope_has_channel(const JoRuleScope *scope,
								 const char *channel);

/* Argument "argument" of a function as jsonb, checked to be a scope. */
extern Jsonb *jo_scope_argument(Datum value);

#endif							/* JO_PERMISSION_SCOPE_H */
