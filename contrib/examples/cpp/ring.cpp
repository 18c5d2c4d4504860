// SPDX-License-Identifier: MIT
//
// Sends texts through a ring in a shared-memory object, or receives them (../README.md).
//
//	c++ -std=c++17 -o ring ring.cpp
//	./ring send NAME TEXT... | ./ring receive NAME COUNT
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/interprocess/mapped_region.hpp>
#include <boost/interprocess/shared_memory_object.hpp>

namespace bip = boost::interprocess;

// Only what is lock-free works between processes.
using word = std::atomic<std::uint32_t>;
static_assert(word::is_always_lock_free);

struct slot {
	std::uint32_t length;
	char text[252];
};

// A ring of zeros is an empty ring: it takes no creator.
struct ring {
	static constexpr std::uint32_t size = 15;

	alignas(64) word version; // 0 until somebody uses it
	alignas(64) word head;    // the slot to fill next: the sender's
	alignas(64) word tail;    // the slot to empty next: the receiver's
	alignas(256) slot slots[size];

	void send(std::string_view text)
	{
		// Others can store at any time what is no slot: the remainder always is
		// one.
		const auto at = head.load(std::memory_order_relaxed) % size;
		const auto next = (at + 1) % size;

		// Full. Acquire: what the receiver has read of a slot it has read by now.
		while (tail.load(std::memory_order_acquire) == next)
			nap();
		slots[at].length = static_cast<std::uint32_t>(text.size());
		std::copy(text.begin(), text.end(), slots[at].text);
		// Release: who sees the new head sees the text, too.
		head.store(next, std::memory_order_release);
	}

	std::string receive()
	{
		const auto at = tail.load(std::memory_order_relaxed) % size;

		while (head.load(std::memory_order_acquire) == at)
			nap();
		const auto length =
			std::min<std::size_t>(slots[at].length, sizeof(slots[at].text));
		std::string text(slots[at].text, length);
		tail.store((at + 1) % size, std::memory_order_release);
		return text;
	}

      private:
	// The other side has nothing to wake us by; a millisecond is soon enough.
	static void nap()
	{
		std::this_thread::sleep_for(std::chrono::milliseconds(1));
	}
};
static_assert(sizeof(ring) == 4096);

static bip::mapped_region map(const char *name)
{
	bip::shared_memory_object object(bip::open_or_create, name, bip::read_write);
	bip::offset_t size = 0;

	object.get_size(size);
	if (size == 0)
		object.truncate(size = sizeof(ring));
	if (size != sizeof(ring))
		throw std::runtime_error(std::string(name) + " is no ring of version 1");
	return bip::mapped_region(object, bip::read_write);
}

static void use(const char *name, bool sends, const std::vector<std::string> &words)
{
	const bip::mapped_region region = map(name);
	auto &shared = *static_cast<ring *>(region.get_address());
	std::uint32_t version = 0;

	if (!shared.version.compare_exchange_strong(version, 1) && version != 1)
		throw std::runtime_error(std::string(name) + " is no ring of version 1");
	if (sends)
		for (const auto &text : words)
			shared.send(text);
	else
		for (int left = std::stoi(words[0]); left > 0; left--)
			std::cout << shared.receive() << std::endl;
}

int main(int argc, char **argv)
{
	const std::vector<std::string> words(argv + std::min(argc, 3), argv + argc);
	const std::string verb = argc > 3 ? argv[1] : "";

	if (verb != "send" && (verb != "receive" || argc != 4)) {
		std::cerr << "usage: ring send NAME TEXT... | ring receive NAME COUNT\n";
		return 2;
	}
	try {
		for (const auto &text : words)
			if (text.size() > sizeof(slot::text))
				throw std::runtime_error("a text has at most 252 bytes");
		use(argv[2], verb == "send", words);
	} catch (const bip::interprocess_exception &e) {
		std::cerr << "ring: " << argv[2] << ": " << e.what() << '\n';
		return 1;
	} catch (const std::exception &e) {
		std::cerr << "ring: " << e.what() << '\n';
		return 1;
	}
	return 0;
}
