//! Owns: parts of messages: taking the next one from what is left, and putting one of a bounded length.
//! Never: reading beyond the end.

use super::Garbled;

/// A length in two bytes, then as many bytes of `part`, at most `max`.
pub fn put(bytes: &mut Vec<u8>, part: &[u8], max: usize) {
    let part = part.get(..max).unwrap_or(part);
    // No limit here is above two bytes' worth.
    bytes.extend(u16::try_from(part.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(part);
}

pub struct Rest<'a>(pub &'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Garbled> {
        let (part, rest) = self.0.split_at_checked(count).ok_or(Garbled)?;
        self.0 = rest;
        Ok(part)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Garbled> {
        self.take(N)?.try_into().map_err(|_| Garbled)
    }

    pub fn byte(&mut self) -> Result<u8, Garbled> {
        Ok(self.array::<1>()?[0])
    }

    pub fn short(&mut self) -> Result<u16, Garbled> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn number(&mut self) -> Result<u64, Garbled> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub fn text(&mut self, max: usize) -> Result<&'a [u8], Garbled> {
        let length = usize::from(self.short()?);
        if length > max {
            return Err(Garbled);
        }
        self.take(length)
    }

    pub fn end(&self) -> Result<(), Garbled> {
        if self.0.is_empty() { Ok(()) } else { Err(Garbled) }
    }
}
