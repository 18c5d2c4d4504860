// SPDX-License-Identifier: MIT
//
// The mailbox of ../c/mailbox.c with Boost.Interprocess. They do not share one: each
// library has a format of its own. Here a process that is killed at the wrong moment
// leaves the segment or the mutex locked, and everybody waits for ever.
//
// usage: mailbox send TEXT... | mailbox receive COUNT
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_condition.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>

namespace bip = boost::interprocess;

using lock = bip::scoped_lock<bip::interprocess_mutex>;

struct mailbox {
	bip::interprocess_mutex mutex;
	bip::interprocess_condition changed;
	char text[256] = ""; // empty: none

	void wait_for(lock &held, bool full)
	{
		while ((text[0] != '\0') != full)
			changed.wait(held);
	}

	void send(const char *message)
	{
		lock held(mutex);

		wait_for(held, false);
		std::snprintf(text, sizeof(text), "%s", message);
		changed.notify_all();
	}

	void receive()
	{
		lock held(mutex);

		wait_for(held, true);
		std::printf("%s\n", text);
		text[0] = '\0';
		changed.notify_all();
	}
};

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	try {
		bip::managed_shared_memory segment(bip::open_or_create, "mailbox", 65536);
		auto *box = segment.find_or_construct<mailbox>("mailbox")();

		if (std::strcmp(argv[1], "send") == 0)
			for (int i = 2; i < argc; i++)
				box->send(argv[i]);
		else
			for (int n = std::atoi(argv[2]); n > 0; n--)
				box->receive();
	} catch (const std::exception &e) {
		std::fprintf(stderr, "mailbox: %s\n", e.what());
		return 1;
	}
}
