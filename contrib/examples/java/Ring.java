// SPDX-License-Identifier: MIT
//
// Sends texts through a ring in a file of the mount, or receives them (../README.md).
//
//	javac Ring.java
//	java Ring send FILE TEXT...
//	java Ring receive FILE COUNT
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.Arrays;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;

public final class Ring {
	private static final int SIZE = 4096, SLOTS = 15, SLOT = 256, TEXT_MAX = 252;
	private static final int VERSION = 0, HEAD = 64, TAIL = 128;

	/** The words of a buffer, with acquire and release, which its getInt() lacks. */
	private static final VarHandle WORD =
		MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

	private final MappedByteBuffer memory;

	Ring(Path file) throws IOException {
		try (var channel = FileChannel.open(file, READ, WRITE, CREATE)) {
			// To map what a new file does not have yet gives it the size, and a ring
			// of zeros is an empty ring: it takes no creator.
			if (channel.size() != 0 && channel.size() != SIZE)
				throw new IOException(file + " is no ring of version 1");
			memory = channel.map(FileChannel.MapMode.READ_WRITE, 0, SIZE);
		}
		int version = (int) WORD.compareAndExchange(memory, VERSION, 0, 1);
		if (version != 0 && version != 1)
			throw new IOException(file + " is no ring of version 1");
	}

	void send(byte[] text) throws InterruptedException {
		int head = (int) WORD.get(memory, HEAD), next = (head + 1) % SLOTS;
		int at = SLOT * (1 + head);

		// Full: nothing wakes us, a millisecond is soon enough. Acquire: what the
		// receiver has read of a slot it has read by now.
		while ((int) WORD.getAcquire(memory, TAIL) == next)
			Thread.sleep(1);
		WORD.set(memory, at, text.length);
		memory.put(at + 4, text);
		// Release: who sees the new head sees the text, too.
		WORD.setRelease(memory, HEAD, next);
	}

	byte[] receive() throws InterruptedException {
		int tail = (int) WORD.get(memory, TAIL), at = SLOT * (1 + tail);

		while ((int) WORD.getAcquire(memory, HEAD) == tail)
			Thread.sleep(1);
		var text = new byte[Math.min((int) WORD.get(memory, at), TEXT_MAX)];
		memory.get(at + 4, text);
		WORD.setRelease(memory, TAIL, (tail + 1) % SLOTS);
		return text;
	}

	private static void run(String verb, String file, byte[][] words)
		throws IOException, InterruptedException {
		var ring = new Ring(Path.of(file));

		if (verb.equals("send"))
			for (var text : words)
				ring.send(text);
		else
			for (int left = Integer.parseInt(new String(words[0])); left > 0; left--) {
				System.out.writeBytes(ring.receive());
				System.out.println();
			}
	}

	private static int fail(int status, String line) {
		System.err.println(line);
		return status;
	}

	private static int main(String verb, String file, byte[][] words) throws Exception {
		if (Arrays.stream(words).anyMatch(text -> text.length > TEXT_MAX))
			return fail(1, "ring: a text has at most 252 bytes");
		try {
			run(verb, file, words);
			return 0;
		} catch (FileSystemException e) {
			return fail(1, "ring: " + e);
		} catch (IOException e) {
			if (!"No such device".equals(e.getMessage()))
				return fail(1, "ring: " + e.getMessage());
			return fail(1, "ring: " + file + " cannot be mapped: its mount is in direct"
				+ " mode (see shmfs(1)); read and write it, as ring.pl does");
		}
	}

	public static void main(String[] args) throws Exception {
		var verb = args.length > 2 ? args[0] : "";
		var words = Arrays.stream(args).skip(2).map(word -> word.getBytes(UTF_8));
		boolean known = verb.equals("send") || verb.equals("receive") && args.length == 3;

		System.exit(known ? main(verb, args[1], words.toArray(byte[][]::new)) :
			fail(2, "usage: ring send FILE TEXT... | ring receive FILE COUNT"));
	}
}
