package portonetest

import "strings"

// hash mixes a seed, words and a number into 64 even bits (FNV-1a, then the
// finalizer of splitmix64). Nothing of it is random: the same values give the same bits.
func hash(seed uint64, n int, words ...string) uint64 {
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	number := func(v uint64) {
		for range 8 {
			h = (h ^ v&0xff) * prime
			v >>= 8
		}
	}
	number(seed)
	for _, w := range words {
		number(uint64(len(w)))
		for i := range len(w) {
			h = (h ^ uint64(w[i])) * prime
		}
	}
	number(uint64(n))
	return mix(h)
}

func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// draw is at least 0 and below 10,000.
func draw(seed uint64, what, ref, salt string, n int) Share {
	return Share(hash(seed, n, what, ref, salt) % 10_000)
}

// token is an id of length letters and digits.
func token(seed uint64, what, ref string, n, length int) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	h := hash(seed, n, what, ref)
	var b strings.Builder
	for range length {
		b.WriteByte(alphabet[h%uint64(len(alphabet))])
		h = mix(h + 0x9e3779b97f4a7c15)
	}
	return b.String()
}

// shuffle reorders list in place.
func shuffle(seed uint64, ref, salt string, n int, list []Listed) {
	h := hash(seed, n, "order of the list", ref, salt)
	for i := len(list) - 1; i > 0; i-- {
		j := int(h % uint64(i+1))
		list[i], list[j] = list[j], list[i]
		h = mix(h + 0x9e3779b97f4a7c15)
	}
}
