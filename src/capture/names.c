/*
 * capture/names.c
 *	  Which names events of users may have.
 */
#include "postgres.h"

#include "capture/internal.h"

const char *
jo_event_name_fault(const char *name)
{
	if (name[0] == '\0')
		return "It is empty.";
	if (strlen(name) > JO_EVENT_NAME_BYTES)
		return "It is longer than 200 bytes.";
	if (name[0] == '$')
		return "Names that begin with \"$\" are commands of journey_orch.";
	if (strncmp(name, "message.", 8) == 0)
		return "Names that begin with \"message.\" are reports on messages.";
	if (strncmp(name, "journey.", 8) == 0)
		return "Names that begin with \"journey.\" are events of journeys.";
	if (strncmp(name, "consent.", 8) == 0)
		return "Names that begin with \"consent.\" are words of customers.";
	return NULL;
}

const char *
jo_customer_fault(const char *customer)
{
	if (customer[0] == '\0')
		return "It is empty.";
	if (strlen(customer) > JO_CUSTOMER_BYTES)
		return "It is longer than 1000 bytes.";
	return NULL;
}

const char *
jo_key_fault(const char *key)
{
	if (key[0] == '\0')
		return "It is empty.";
	if (strlen(key) > JO_CUSTOMER_BYTES)
		return "It is longer than 1000 bytes.";
	return NULL;
}
